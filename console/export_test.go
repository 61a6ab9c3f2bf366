package console

// Percent and UserAgent let tests look at what pages are made of.
var Percent = percent

// UserAgent returns the pieces of a User-Agent, and which of them are tokens.
func UserAgent(ua, before string) (pieces []string, tokens, added []bool) {
	for _, p := range markTokens(ua, before) {
		pieces, tokens, added = append(pieces, p.Text), append(tokens, p.Token), append(added, p.Added)
	}
	return pieces, tokens, added
}

// TailReaders is how many pages may follow at a time.
const TailReaders = tailReaders

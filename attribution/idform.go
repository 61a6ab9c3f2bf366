package attribution

import "strings"

// marketplaceSuffix ends every ID that Partner Center makes for a commercial
// marketplace offer.
const marketplaceSuffix = "-partnercenter"

// maxMarketplace is how long the part between pid- and -partnercenter may be,
// so that the whole fits a deployment name of 64 characters.
const maxMarketplace = 46

// guidGroups are the lengths of a GUID's groups.
func guidGroups() [5]int { return [5]int{8, 4, 4, 4, 12} }

// isGUID reports the form 8-4-4-4-12 of hexadecimal digits.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isHex(s[i]) {
				return false
			}
		}
	}
	return true
}

// isMarketplace reports [A-Za-z0-9._-]{1,46}-partnercenter.
func isMarketplace(s string) bool {
	name := cutSuffixFold(s, marketplaceSuffix)
	if len(name) == len(s) || len(name) == 0 || len(name) > maxMarketplace {
		return false
	}
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func trimPrefixFold(s, prefix string) string {
	if hasPrefixFold(s, prefix) {
		return s[len(prefix):]
	}
	return s
}

func cutSuffixFold(s, suffix string) string {
	if i := len(s) - len(suffix); i >= 0 && strings.EqualFold(s[i:], suffix) {
		return s[:i]
	}
	return s
}

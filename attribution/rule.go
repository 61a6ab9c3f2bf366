package attribution

// Mode says whether requests are changed.
type Mode string

// The modes.
const (
	// ModeEnforce tags what the rules say.
	ModeEnforce Mode = "enforce"
	// ModeObserve changes nothing and reports what would have been done.
	ModeObserve Mode = "observe"
)

// Outcome is what became of a request.
type Outcome string

// The outcomes. Rejected and Bypass are the proxy's own; Decide never gives them.
const (
	OutcomeAttributed        Outcome = "attributed"
	OutcomeAlreadyAttributed Outcome = "already-attributed"
	OutcomeConflictKept      Outcome = "conflict-kept"
	OutcomeReplaced          Outcome = "replaced"
	OutcomeWouldAttribute    Outcome = "would-attribute"
	OutcomeExcluded          Outcome = "excluded"
	OutcomeNoRule            Outcome = "no-rule"
	OutcomeNotEligible       Outcome = "not-eligible"
	OutcomeBatch             Outcome = "batch"
	OutcomeRejected          Outcome = "rejected"
	OutcomeBypass            Outcome = "bypass"
)

// OnOtherID says what a rule does when the User-Agent carries a pid token that
// is not one of the rule's.
type OnOtherID string

// The values of [OnOtherID]. The empty string is OnOtherAppend.
const (
	// OnOtherAppend adds ours after it. Perhaps only one is read.
	OnOtherAppend OnOtherID = "append"
	// OnOtherKeep leaves the User-Agent alone.
	OnOtherKeep OnOtherID = "keep"
	// OnOtherReplaceDefaults removes the IDs that tools send by themselves
	// ([KnownDefaults]) and adds ours; if another ID remains it acts as
	// OnOtherKeep.
	OnOtherReplaceDefaults OnOtherID = "replace-defaults"
	// OnOtherReplace removes every other ID and adds ours.
	OnOtherReplace OnOtherID = "replace"
)

// Match says which requests a rule is about. Every field that is given must
// match; an empty field matches all. The entries of a field are alternatives.
// They are globs without regard to case: '*' stands for any run of characters,
// '/' included, '?' for one character.
type Match struct {
	// Methods are HTTP methods. Empty means PUT in a [Rule], all in an [Exclude].
	Methods []string
	// Subscriptions are subscription GUIDs.
	Subscriptions []string
	// ResourceGroups are resource group names.
	ResourceGroups []string
	// ResourceTypes are full types: "Microsoft.Compute/virtualMachines".
	ResourceTypes []string
	// Tools are IDs of [arm.Tools]: "azure-cli".
	Tools []string
}

// Rule gives the requests that it matches their tracking IDs.
type Rule struct {
	// Name is required and unique; it stands in the journal.
	Name  string
	Match Match
	// TrackingIDs are appended in order; at least one. See [ParseID].
	TrackingIDs []string
	OnOtherID   OnOtherID
}

// Exclude keeps requests from being tagged, before any rule is looked at.
type Exclude struct {
	// Name is required and unique; it stands in the journal.
	Name  string
	Match Match
}

// Fault is something wrong, or something to be warned of, in rules.
type Fault struct {
	// Path is where: "rules[2].match.resourceTypes[0]".
	Path string
	// Value is what stands there.
	Value string
	// Message says what is wrong, Remedy how to mend it.
	Message, Remedy string
}

package audit

// SchemaVersion is the value of [FieldV] in every line this package writes.
const SchemaVersion = 1

// The names of the event fields. They are the same in the journal, the
// operational log, SQL columns, OTLP attributes, CSV headers and
// docs/events.md; nothing else may spell them out.
const (
	FieldV      = "v"
	FieldSource = "source"
	FieldEpoch  = "epoch"
	FieldSeq    = "seq"
	FieldPrev   = "prev"
	FieldTime   = "time"
	FieldKind   = "kind"

	FieldOutcome = "outcome"
	FieldReason  = "reason"
	FieldRule    = "rule"
	FieldIDs     = "ids"
	FieldMode    = "mode"

	FieldMethod        = "method"
	FieldHost          = "host"
	FieldPath          = "path"
	FieldAPIVersion    = "api_version"
	FieldScope         = "scope"
	FieldSubscription  = "subscription"
	FieldResourceGroup = "resource_group"
	FieldResourceType  = "resource_type"
	FieldResourceName  = "resource_name"
	FieldDeployment    = "deployment"
	FieldTemplateIDs   = "template_ids"

	FieldTool    = "tool"
	FieldUAIn    = "ua_in"
	FieldUAOut   = "ua_out"
	FieldClient  = "client"
	FieldProcess = "process"
	FieldLabels  = "labels"

	FieldClientRequestID = "client_request_id"
	FieldCorrelationID   = "correlation_id"
	FieldRequestID       = "request_id"
	FieldStatus          = "status"
	FieldError           = "error"
	FieldDurationMS      = "duration_ms"
	FieldBytesUp         = "bytes_up"
	FieldBytesDown       = "bytes_down"
	FieldConfigHash      = "config_hash"
	FieldIntent          = "intent"

	// Gap lines only.
	FieldCount     = "count"
	FieldSHA256    = "sha256"
	FieldGapEpoch  = "gap_epoch"
	FieldGapEpochs = "gap_epochs"

	// Gap and seal lines.
	FieldFirst = "first"
	FieldLast  = "last"

	// Seal lines only.
	FieldSegment = "segment"
	FieldFinal   = "final"
	FieldKeyID   = "key_id"
	FieldSig     = "sig"
)

// Fields returns every field name in the order in which a line holds them.
func Fields() []string {
	return []string{
		FieldV, FieldSource, FieldEpoch, FieldSeq, FieldPrev, FieldTime, FieldKind,
		FieldOutcome, FieldReason, FieldRule, FieldIDs, FieldMode,
		FieldMethod, FieldHost, FieldPath, FieldAPIVersion, FieldScope, FieldSubscription,
		FieldResourceGroup, FieldResourceType, FieldResourceName, FieldDeployment, FieldTemplateIDs,
		FieldTool, FieldUAIn, FieldUAOut, FieldClient, FieldProcess, FieldLabels,
		FieldClientRequestID, FieldCorrelationID, FieldRequestID, FieldStatus, FieldError,
		FieldDurationMS, FieldBytesUp, FieldBytesDown, FieldConfigHash, FieldIntent,
		FieldCount, FieldFirst, FieldLast, FieldSHA256, FieldGapEpoch, FieldGapEpochs,
		FieldSegment, FieldFinal, FieldKeyID, FieldSig,
	}
}

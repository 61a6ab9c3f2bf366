package audit

import (
	"strconv"
	"time"

	"go.uber.org/zap/zapcore"
)

// Kind says what a line of the journal is.
type Kind string

// The kinds of lines.
const (
	KindRequest Kind = "request" // one request, complete: its outcome is known
	KindIntent  Kind = "intent"  // strict guarantee: a request about to be sent
	KindGap     Kind = "gap"     // events are missing here, and why
	KindSeal    Kind = "seal"    // the signed last line of a segment
)

// The reasons a gap line gives in its reason field.
const (
	GapTorn        = "torn"         // bytes that were no whole line were moved to <segment>.torn
	GapUncleanStop = "unclean-stop" // the writer ended without closing; events in flight may be missing
	GapWriteError  = "write-error"  // the disk refused Count events
	GapOverflow    = "overflow"     // the queue was full and Count events were dropped
	GapRetention   = "retention"    // lines First to Last were deleted because they were old, or many
)

// Event is one line of the journal. The zero value of a field means that the
// field is absent from the line. Strings that came over the network are
// bounded in length and made valid UTF-8 by [Journal.Record].
//
// The journal sets V, Source, Epoch, Seq and Prev itself; whatever a caller
// puts there is overwritten.
type Event struct {
	V      int       `json:"v"`      // version of this format, SchemaVersion
	Source string    `json:"source"` // who wrote the stream: host name and 8 hex digits, or audit.source
	Epoch  uint64    `json:"epoch"`  // which run of the source, from 1
	Seq    uint64    `json:"seq"`    // number of the line in its stream, from 1
	Prev   string    `json:"prev"`   // lowercase hex SHA-256 of the preceding line
	Time   time.Time `json:"time"`   // when the request head was read, UTC
	Kind   Kind      `json:"kind"`

	Outcome string   `json:"outcome"` // what was decided, attribution's Outcome constants
	Reason  string   `json:"reason"`  // why, in plain words; on gap lines one of the Gap constants
	Rule    string   `json:"rule"`    // name of the rule or exclude that decided
	IDs     []string `json:"ids"`     // the pid- tokens the decision is about
	Mode    string   `json:"mode"`    // enforce or observe

	Method        string   `json:"method"`
	Host          string   `json:"host"` // normalised: lower case, no port
	Path          string   `json:"path"` // as received, never with a query
	APIVersion    string   `json:"api_version"`
	Scope         string   `json:"scope"`
	Subscription  string   `json:"subscription"`
	ResourceGroup string   `json:"resource_group"`
	ResourceType  string   `json:"resource_type"`
	ResourceName  string   `json:"resource_name"`
	Deployment    string   `json:"deployment"`
	TemplateIDs   []string `json:"template_ids"` // pid- deployments found inside the template body

	Tool    string   `json:"tool"`    // the tool recognised by its User-Agent
	UAIn    string   `json:"ua_in"`   // User-Agent as received
	UAOut   string   `json:"ua_out"`  // User-Agent as sent, when it was changed
	Client  string   `json:"client"`  // address of the client, without the port
	Process string   `json:"process"` // executable or script of a client on this machine
	Labels  []string `json:"labels"`  // "name=value"

	ClientRequestID string  `json:"client_request_id"` // x-ms-client-request-id
	CorrelationID   string  `json:"correlation_id"`    // x-ms-correlation-request-id
	RequestID       string  `json:"request_id"`        // x-ms-request-id of the answer
	Status          int     `json:"status"`            // ARM's answer; absent when ARM gave none
	Error           string  `json:"error"`             // our own refusal or failure
	DurationMS      float64 `json:"duration_ms"`       // head read to last byte of the answer, milliseconds
	BytesUp         int64   `json:"bytes_up"`          // request body
	BytesDown       int64   `json:"bytes_down"`        // response body
	ConfigHash      string  `json:"config_hash"`       // hash of the configuration that decided
	Intent          uint64  `json:"intent"`            // seq of this request's intent line (strict)

	// Gap lines. Count is the number of missing events, 0 when nobody knows.
	// First, Last and SHA256 (of line Last) name deleted lines of the stream
	// GapEpoch; with GapEpochs set, that many whole epochs ending with
	// GapEpoch are gone. For GapTorn, SHA256 is that of the moved bytes.
	Count     uint64 `json:"count"`
	SHA256    string `json:"sha256"`
	GapEpoch  uint64 `json:"gap_epoch"`
	GapEpochs uint64 `json:"gap_epochs"`

	// Gap and seal lines: the first and last seq that the line speaks of. In
	// a seal, Last is the seal's own seq.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`

	// Seal lines.
	Segment uint64 `json:"segment"` // number of the segment, from 1
	Final   bool   `json:"final"`   // nothing follows in this stream
	KeyID   string `json:"key_id"`  // see KeyID
	Sig     string `json:"sig"`     // base64 Ed25519 signature, see Seal
}

var _ zapcore.ObjectMarshaler = (*Event)(nil)

// timeLayout is RFC 3339 with all nine digits of the nanoseconds, so that
// times sort as text.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// stringArray lets a field of type []string be encoded without an allocation.
type stringArray []string

func (a *stringArray) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for _, s := range *a {
		enc.AppendString(s)
	}
	return nil
}

// MarshalLogObject writes the fields that are not empty, in the order of
// [Fields]. It is the one encoder of an event: journal lines and log entries
// both come from it.
func (e *Event) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	str := func(name, value string) {
		if value != "" {
			enc.AddString(name, value)
		}
	}
	num := func(name string, value uint64) {
		if value != 0 {
			enc.AddUint64(name, value)
		}
	}
	var failed error
	list := func(name string, values *[]string) {
		if len(*values) == 0 {
			return
		}
		if err := enc.AddArray(name, (*stringArray)(values)); err != nil && failed == nil {
			failed = err
		}
	}

	if e.V != 0 {
		enc.AddInt(FieldV, e.V)
	}
	str(FieldSource, e.Source)
	num(FieldEpoch, e.Epoch)
	num(FieldSeq, e.Seq)
	str(FieldPrev, e.Prev)
	if !e.Time.IsZero() {
		var buf [len(timeLayout)]byte
		enc.AddString(FieldTime, string(e.Time.UTC().AppendFormat(buf[:0], timeLayout)))
	}
	str(FieldKind, string(e.Kind))

	str(FieldOutcome, e.Outcome)
	str(FieldReason, e.Reason)
	str(FieldRule, e.Rule)
	list(FieldIDs, &e.IDs)
	str(FieldMode, e.Mode)

	str(FieldMethod, e.Method)
	str(FieldHost, e.Host)
	str(FieldPath, e.Path)
	str(FieldAPIVersion, e.APIVersion)
	str(FieldScope, e.Scope)
	str(FieldSubscription, e.Subscription)
	str(FieldResourceGroup, e.ResourceGroup)
	str(FieldResourceType, e.ResourceType)
	str(FieldResourceName, e.ResourceName)
	str(FieldDeployment, e.Deployment)
	list(FieldTemplateIDs, &e.TemplateIDs)

	str(FieldTool, e.Tool)
	str(FieldUAIn, e.UAIn)
	str(FieldUAOut, e.UAOut)
	str(FieldClient, e.Client)
	str(FieldProcess, e.Process)
	list(FieldLabels, &e.Labels)

	str(FieldClientRequestID, e.ClientRequestID)
	str(FieldCorrelationID, e.CorrelationID)
	str(FieldRequestID, e.RequestID)
	if e.Status != 0 {
		enc.AddInt(FieldStatus, e.Status)
	}
	str(FieldError, e.Error)
	if e.DurationMS != 0 {
		enc.AddFloat64(FieldDurationMS, e.DurationMS)
	}
	if e.BytesUp != 0 {
		enc.AddInt64(FieldBytesUp, e.BytesUp)
	}
	if e.BytesDown != 0 {
		enc.AddInt64(FieldBytesDown, e.BytesDown)
	}
	str(FieldConfigHash, e.ConfigHash)
	num(FieldIntent, e.Intent)

	if e.Kind == KindGap || e.Kind == KindSeal {
		num(FieldCount, e.Count)
		num(FieldFirst, e.First)
		num(FieldLast, e.Last)
		str(FieldSHA256, e.SHA256)
		num(FieldGapEpoch, e.GapEpoch)
		num(FieldGapEpochs, e.GapEpochs)
		num(FieldSegment, e.Segment)
		if e.Final {
			enc.AddBool(FieldFinal, true)
		}
		str(FieldKeyID, e.KeyID)
		str(FieldSig, e.Sig)
	}
	return failed
}

// ID names the event's line in its journal directory: "epoch/seq".
func (e *Event) ID() string {
	return strconv.FormatUint(e.Epoch, 10) + "/" + strconv.FormatUint(e.Seq, 10)
}

// MarshalJSON is MarshalLogObject as JSON: what stands in the journal's line.
// (Package encoding/json may write <, > and & in another way.)
func (e Event) MarshalJSON() ([]byte, error) {
	line, err := newLineEncoder().append(nil, &e)
	if err != nil {
		return nil, err
	}
	return line[:len(line)-1], nil
}

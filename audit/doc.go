// Package audit keeps the journal: an append-only, hash-chained record of
// every write that passed the proxy.
//
// A journal directory holds streams. A stream is one run of one process and
// is named by its source (the machine) and epoch (a number, unique in the
// directory). Its lines are JSON objects, numbered from 1 by seq; each names
// the SHA-256 of the line before it in prev. The lines stand in segments,
// files named <epoch, 8 digits>-<segment, 4 digits>.jsonl, and the last line of
// each segment is a seal: an Ed25519 signature over the chain so far.
//
// [Journal] writes one stream with a guarantee (see [Guarantee]); [Read] and
// [Follow] give events back; [Verify] finds what was changed, removed,
// reordered, inserted or cut.
package audit

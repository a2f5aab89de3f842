// Package audit keeps the record of everything that was asked of a server: an append-only log of
// events, in a folder of its own, that shows when it was touched.
//
// What it promises:
//
//   - An event for which Append returned nil survives kill -9 and power loss ([SyncGroup]).
//   - Every line is chained to the one before it by SHA-256, across segments and starts. Once a
//     second, at rotation and at the end a [Checkpoint] signs the newest line; it is written into
//     the chain and handed to [Anchors], outside the folder. [Verify] finds an edited, removed,
//     moved or repeated line, and a cut-off end as far as a checkpoint outside the folder reaches.
//     Without a witness beyond the server's reach the last second can be cut off unseen.
//   - A log that cannot be written says so ([Log.Healthy]) and refuses, and works again by itself
//     once writing works again.
//   - Floods of requests that nobody signed in for are counted rather than written out
//     ([Log.Refused]), and never take the last of the disk.
//
// A folder holds segments ("00000000000000000001.log", named by their first sequence number) and,
// beside each closed one, an index (".idx") that only makes searching faster: it is never evidence.
// The formats are written down in docs/formats.md.
//
// The package decides nothing about who may read events; the door to the log is package activity.
package audit

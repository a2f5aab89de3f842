// Package backup is the form in which a deployment leaves its database: one file, encrypted and
// authenticated as a whole, that says of itself what is needed to open it and knows no database
// engine.
//
// A file begins with a line of JSON, the [Header], in the clear: which generations of masters wrap
// what is inside, and the system instance key as these keep it. Who can load that key, with the
// crypto module or with recovery shares, can open the key of the file, and nobody else. The rows of
// all tables follow, sealed in chunks, so that a file that was cut, reordered or changed anywhere
// does not read to its end. A backup never contains what opens it: no key file, no PIN, no share.
//
// The format is written down in docs/formats.md.
package backup

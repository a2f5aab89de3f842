// Package matrix holds no code but tests: every route of the control APIs and every operation of S3, as
// the server itself lists them, against everybody who may not use it.
package matrix

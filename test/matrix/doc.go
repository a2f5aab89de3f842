// Package matrix holds no code but a test: every route of the control APIs, as
// the server itself lists them, against everybody who may not use it.
package matrix

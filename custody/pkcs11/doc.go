// Package pkcs11 is the crypto module in a hardware security module, or any token with a PKCS#11
// library: the side of the process that serves. It loads no library and holds no key; for it, a
// handle is the wrapped form of a key. The token is reached through the custody agent (package
// agent), a child process that this package starts, watches, and starts again when it ends.
//
// Nothing is lost when the agent, the library or the token stops: handles stay valid. In the
// meantime every operation fails with custody.ErrUnavailable at once. A PIN that the token refused
// is not tried again until the PIN file changes, as tokens count wrong PINs.
package pkcs11

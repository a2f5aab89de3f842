// Package recovery divides a recovery key among people: count shares are printed, and any threshold
// of them give the key back.
//
// The key wraps a second copy of every stored key, so that the keys outlive the module that they are
// in: with threshold shares and a copy of the database, everything opens. That is also what shares
// are worth to who collects them. The key is made here, put into a module for wrapping only, printed
// as shares, and wiped; nobody keeps it.
//
// The secret that is shared is a random scalar of Ristretto255, by Shamir's scheme over the field of
// its scalars, in constant time (package secretsharing of CIRCL). The recovery key and its name are
// derived from it by HKDF-SHA-256, so that the name tells whether shares were put together rightly,
// without anything else to keep. docs/formats.md has the formats, with vectors.
package recovery

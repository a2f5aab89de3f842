// Package custody is the room where keys are kept: what a crypto module must do, the one seal
// under which everything small is stored, and the types that key material travels in.
//
// The hierarchy, from the module outwards:
//
//	generation   wrap master (wraps key material only) and seal master (CMAC only), neither ever leaves
//	  └ instance key    stored as Seal(seal master, binding, KW(wrap master, key))
//	      └ key version    stored as Seal(instance key, binding, KW(wrap master, key))
//	          └ data key      Seal(key version, the caller's additional data, data key)
//
// A module holds one or more generations of [Masters], numbered over all modules of a deployment.
// With a recovery key each stored key has a second copy, KW(recovery key, key), which opens without
// the module for who holds enough shares of that key (package recovery). A [Rack] is several modules
// in the place of one, and moves stored keys between generations: within a module by rewrapping, and
// from one to another by a transfer in which no key is in the clear ([Source], [Destination]).
//
// A [Module] works with handles: keys are made in it, imported into it or loaded into it from
// their sealed form, and no method hands material back. All that sealing asks of a module is
// AES-CMAC under a loaded key, which PKCS#11 tokens have; whoever computes it, the bytes are the
// same, so that sealed data outlives a move from one module to another.
//
// A module may also be a [Transport]: it receives key material that its owner encrypted to a
// public key of the module, so that the material is nowhere else in the clear.
//
// [Seal] and [Open] are the only authenticated encryption of small things in Strongroom. Each
// sealing derives a key of its own from a random salt, so that there is no nonce for a caller to
// choose and no number of sealings to stay below, and each is bound to its [Purpose] and context,
// so that a blob that was moved does not open.
//
// The formats are written down, with test vectors, in docs/formats.md. Package software keeps
// keys in the memory of this process, package pkcs11 in a token; package custodytest is the suite
// that every module passes.
package custody

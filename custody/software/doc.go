// Package software is the crypto module in the memory of this process: the embedded default,
// behind the same contract and with the same bytes as an HSM.
//
// Its masters are drawn by MakeMasters, generation by generation, and kept in a master file, sealed
// by a passphrase or by a key file. [Create] opens a module that has none yet; [Open] opens the file
// and nothing else: when it is missing, all keys of the installation are lost, and a new one would
// only hide that. [Recover] opens, without any file, what a recovery key and the escrows in the
// database give back of a lost module.
//
// What it protects: the database, its backups and the master file are worth nothing without the
// passphrase or key file. What it cannot: who reads the memory of the running process has the
// keys. The masters lie in memory that is locked and left out of core dumps where the system
// allows, and [HardenProcess] keeps other processes of the same user out; but the AES key schedules
// of loaded keys are ordinary heap memory, which Go offers no way to wipe.
package software

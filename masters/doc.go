// Package masters is the domain of the operator: the generations of masters under which everything
// else is sealed. It makes new ones, has the keys moved to them, and retires the old.
//
// A generation lives in one crypto module and passes through these states:
//
//	making → current → leaving → retired
//
// Exactly one is current: new instances get their key under it. Making another one, in the same
// module (rotation) or in another (migration), turns it into one that is being left, and a job moves
// key after key to the current one while requests are served. When nothing is left, the operator may
// retire it, by which its masters are destroyed: copies of the database from before open no more,
// and what was purged is shredded. A generation whose module was lost is "lost" instead, when the
// recovery shares have brought its keys into another module.
//
// Every operation passes one door, which lets nobody in but the account that runs the deployment.
package masters

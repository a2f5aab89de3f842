// Package objects holds no code but tests: whether the object store of a whole
// deployment gives back every byte it took, whatever happens to its nodes, its
// keys and its files meanwhile.
package objects

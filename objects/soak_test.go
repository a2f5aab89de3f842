package objects_test

import (
	"math/rand/v2"
	"os"
	"testing"
)

// sample returns n of the cases that a test has, drawn with a seed that it logs; all of them when soaking.
func sample[T any](t testing.TB, n int, cases []T) []T {
	t.Helper()
	if os.Getenv("STRONGROOM_SOAK") != "" || n >= len(cases) {
		return cases
	}
	seed := rand.Uint64()
	t.Logf("%d of %d cases, with seed %d", n, len(cases), seed)
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	return cases[:n]
}

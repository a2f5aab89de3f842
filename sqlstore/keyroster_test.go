package sqlstore_test

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"strongroom/iam"
	"strongroom/kms"
	"strongroom/sqlstore"
)

// rostered is a store with a crowd of keys and their roster.
func rostered(t *testing.T, many int) (*sqlstore.DB, *sqlstore.Keys, kms.Key, kms.Version, []kms.KeyID) {
	t.Helper()
	db, keys, k, v := keyStore(t)
	db.SetRosters(1, 1_000_000)
	ids := crowd(t, keys, k, v, many)
	if !db.AwaitRoster(t.Context(), k.Instance) {
		t.Fatal("the instance has no roster")
	}
	return db, keys, k, v, ids
}

// answers are what the store says to all queries.
func answers(t *testing.T, keys *sqlstore.Keys, queries map[string]kms.Query) (pages map[string][]kms.Key, counts map[string]int) {
	t.Helper()
	pages, counts = map[string][]kms.Key{}, map[string]int{}
	for name, q := range queries {
		var err error
		if pages[name], err = keys.ListKeys(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		if len(pages[name]) == 0 {
			pages[name] = nil
		}
		if counts[name], err = keys.CountKeys(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	return pages, counts
}

// change changes keys as requests do, at random: adds, updates and removes them.
func change(t *testing.T, keys *sqlstore.Keys, k kms.Key, v kms.Version, ids []kms.KeyID, random *rand.Rand) {
	t.Helper()
	for i := range 60 {
		if i%3 == 0 {
			id := uuid.NewString()
			k, v := k, v
			k.Aliases = nil
			k.ID, v.ID, k.Newest.ID = kms.KeyID(id), kms.VersionID(id), kms.VersionID(id)
			if err := keys.InsertKey(t.Context(), k, v, 1, nil); err != nil {
				t.Fatal(err)
			}
			continue
		}
		was, err := keys.Key(t.Context(), k.Instance, ids[random.IntN(len(ids))])
		if sqlstore.ErrNotFound == err {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 1 {
			err = keys.PurgeKey(t.Context(), was, nil)
		} else {
			was.State = []kms.State{kms.Active, kms.Suspended, kms.Deactivated, kms.Destroyed}[random.IntN(4)]
			was.Ring = []kms.RingID{kms.DefaultRing, crowdRing}[random.IntN(2)]
			was.Updated = was.Updated.Add(time.Duration(random.IntN(2_000_000)-1_000_000) * time.Second)
			was.Deleted = time.Time{}
			if was.State == kms.Destroyed {
				was.Deleted = was.Updated
			}
			err = keys.UpdateKey(t.Context(), was, nil, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRosterAnswersAsTheDatabaseDoes asks everything that is asked in benchmarks of a roster that
// follows changes, and of the database alone.
func TestRosterAnswersAsTheDatabaseDoes(t *testing.T) {
	db, keys, k, v, ids := rostered(t, 400)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 4))
	for round := range 3 {
		db.SetRosterSample(1 + random.IntN(100))
		db.SetRosters(1, 1_000_000)
		if !db.AwaitRoster(t.Context(), k.Instance) {
			t.Fatal("the instance has no roster")
		}
		change(t, keys, k, v, ids, random)
		queries := asked(t, k, ids)
		for name, q := range queries {
			if random.IntN(3) > 0 { // a third is enough in each round
				delete(queries, name)
				continue
			}
			q.Limit = 1 + random.IntN(40)
			if q.Now = k.Created; random.IntN(2) == 0 {
				q.Now = k.Created.AddDate(10, 0, 2) // when many keys have expired
			}
			queries[name] = q
		}
		if db.RosterSizes()[string(k.Instance)] == 0 {
			t.Fatal("the roster is gone")
		}
		pages, counts := answers(t, keys, queries)
		db.SetRosters(math.MaxInt, 0)
		wantPages, wantCounts := answers(t, keys, queries)
		if diff := cmp.Diff(wantPages, pages); diff != "" {
			t.Errorf("round %d: -database +roster:\n%.2000s", round, diff)
		}
		if diff := cmp.Diff(wantCounts, counts); diff != "" {
			t.Errorf("round %d: counts: -database +roster:\n%.2000s", round, diff)
		}
	}
}

// TestRosterKnowsWhatWasAcknowledged lists keys while others are added: what was acknowledged before
// the question is in the answer.
func TestRosterKnowsWhatWasAcknowledged(t *testing.T) {
	_, keys, k, v, _ := rostered(t, 100)
	k.Aliases = nil
	newest := kms.Query{
		Instance: k.Instance, Scope: iam.Scope{All: true}, States: []kms.State{kms.Active}, Now: k.Created,
		Sort: []kms.Order{{By: kms.ByUpdated, Descending: true}}, Limit: 1,
	}
	before, err := keys.CountKeys(t.Context(), newest)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	for range 2 { // who ask all the time, and read what is about to be committed
		others.Go(func() {
			for ctx.Err() == nil {
				if _, err := keys.ListKeys(ctx, newest); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	k.Updated = k.Updated.AddDate(1, 0, 0)
	for n := 1; n <= 30; n++ {
		id := uuid.NewString()
		k.ID, v.ID, k.Newest.ID = kms.KeyID(id), kms.VersionID(id), kms.VersionID(id)
		k.Updated = k.Updated.Add(time.Second)
		if err := keys.InsertKey(t.Context(), k, v, 1, nil); err != nil {
			t.Fatal(err)
		}
		list, err := keys.ListKeys(t.Context(), newest)
		if err != nil || len(list) != 1 || list[0].ID != k.ID {
			t.Fatalf("the newest key is not first of %d listed ones, %v", len(list), err)
		}
		if count, err := keys.CountKeys(t.Context(), newest); err != nil || count != before+n {
			t.Fatalf("%d keys with %d new ones, of %d, %v", count, n, before, err)
		}
	}
}

// TestRostersAreBounded fills one instance past what all rosters may hold, and removes another.
func TestRostersAreBounded(t *testing.T) {
	db, keys, k, v := keyStore(t)
	ids := crowd(t, keys, k, v, 300)
	db.SetRosters(301, 1_000)
	if db.AwaitRoster(t.Context(), k.Instance) {
		t.Error("an instance with few keys has a roster")
	}
	db.SetRosters(1, 299)
	if db.AwaitRoster(t.Context(), k.Instance) {
		t.Error("an instance has a roster that is larger than all may be")
	}
	db.SetRosters(1, 310)
	if !db.AwaitRoster(t.Context(), k.Instance) {
		t.Error("an instance has no roster for which there is room")
	}
	q := kms.Query{Instance: k.Instance, Scope: iam.Scope{All: true}, States: []kms.State{1}, Now: k.Created, Limit: 1000}
	change(t, keys, k, v, ids[:1], rand.New(rand.NewPCG(5, 6))) // adds twenty keys
	for range 2 {
		if _, err := keys.ListKeys(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if sizes := db.RosterSizes(); len(sizes) > 0 {
		t.Errorf("rosters hold %v keys, and may hold 310", sizes)
	}
	db.SetRosters(1, 1_000)
	db.AwaitRoster(t.Context(), k.Instance)
	if err := keys.DestroyInstance(t.Context(), k.Instance); err != nil {
		t.Fatal(err)
	}
	if sizes := db.RosterSizes(); len(sizes) > 0 {
		t.Errorf("rosters hold %v keys of an instance that is gone", sizes)
	}
	if list, err := keys.ListKeys(t.Context(), q); err != nil || len(list) > 0 {
		t.Errorf("%d keys of an instance that is gone, %v", len(list), err)
	}
}

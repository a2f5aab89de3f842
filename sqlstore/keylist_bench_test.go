package sqlstore_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"strongroom/iam"
	"strongroom/kms"
	"strongroom/sqlstore"
)

// manyKeys is how many keys the benchmarks of lists have, unless STRONGROOM_BENCH_KEYS says.
func manyKeys(t testing.TB, otherwise int) int {
	t.Helper()
	text := os.Getenv("STRONGROOM_BENCH_KEYS")
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// crowd fills an instance with keys as an organisation has them: names of applications and
// environments, some standard keys, some imported, rotated, expiring or deleted.
func crowd(t testing.TB, keys *sqlstore.Keys, like kms.Key, many int) {
	t.Helper()
	like.Aliases, like.Tags = nil, nil
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"payments", "billing", "archive", "web", "mobile", "ledger", "search", "mail"}
	places := []string{"prod", "stage", "test", "dev"}
	ids := make([]kms.KeyID, many)
	for i := range ids {
		ids[i] = kms.KeyID(uuid.NewString())
	}
	slices.Sort(ids) // which is the fastest order to add them in
	ages := random.Perm(many)
	const together = 1_000 // in one transaction, which has to end in time also under the race detector
	for from := 0; from < many; from += together {
		err := keys.Fill(t.Context(), like, ids[from:min(from+together, many)], func(i int, k *kms.Key) {
			n := ages[from+i]
			k.Name = fmt.Sprintf("%s-%s-%06d", words[random.IntN(8)], places[random.IntN(4)], n)
			k.Created = like.Created.Add(time.Duration(n) * time.Second)
			k.Updated = k.Created.Add(time.Duration(random.IntN(1_000_000)) * time.Second)
			k.Expires = time.Time{}
			switch random.IntN(20) {
			case 0:
				k.Extractable = true
			case 1:
				k.Imported = true
			case 2:
				k.Rotated = k.Updated
			case 3:
				k.Expires = k.Created.AddDate(10, 0, 0).Truncate(time.Second)
			case 4:
				k.State, k.Deleted = kms.Destroyed, k.Updated
			case 5:
				k.State = kms.Suspended
			}
			if n%100 == 0 {
				k.Aliases = []string{fmt.Sprintf("alias-%d", n)}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// asked are the lists that people and programs ask for, at the front of every sort, deep where
// the counts help, and with filters and searches for much, for little and for nothing.
func asked(t testing.TB, like kms.Key, many int) map[string]kms.Query {
	t.Helper()
	all := map[string]kms.Query{}
	live := kms.Query{
		Instance: like.Instance, Scope: iam.Scope{All: true}, States: []kms.State{1, 2, 3}, Now: like.Created, Limit: 200,
	}
	for _, by := range kms.Properties() {
		for _, descending := range []bool{false, true} {
			q := live
			q.Sort = []kms.Order{{By: by, Descending: descending}}
			all[fmt.Sprintf("sort/%s/descending=%t", by, descending)] = q
			q.Offset = 1000
			all[fmt.Sprintf("sort/%s/descending=%t/offset=1000", by, descending)] = q
		}
	}
	deep := live
	deep.Offset = many * 8 / 10
	all["sort/id/deep"] = deep
	filter := func(name, text string, sort ...kms.Order) {
		f, err := kms.ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		q := live
		if q.Dates = f.Dates; f.States != nil {
			q.States = f.States
		}
		q.Extractable, q.Sort = f.Extractable, sort
		all["filter/"+name] = q
	}
	at := func(n int) string {
		return strconv.Quote(like.Created.Add(time.Duration(n) * time.Second).Format(time.RFC3339))
	}
	filter("standard", "extractable=true")
	filter("deleted", "state=5")
	filter("suspended", "state=2")
	filter("created/most", "creationDate=gte:"+at(many/10))
	filter("created/few", "creationDate=gte:"+at(many-100))
	filter("created/none", "creationDate=lt:"+at(-100))
	filter("created/few by updated", "creationDate=gte:"+at(many-100), kms.Order{By: kms.ByUpdated})
	filter("created/most by updated", "creationDate=gte:"+at(many/10), kms.Order{By: kms.ByUpdated})
	filter("rotated", "lastRotateDate=gt:"+at(0))
	filter("never rotated", "lastRotateDate=none")
	filter("expires", "expirationDate=lte:"+at(1_000_000_000))
	search := func(name, text string, sort ...kms.Order) {
		s, err := kms.ParseSearch(text)
		if err != nil {
			t.Fatal(err)
		}
		q := live
		q.Search, q.Sort = s, sort
		all["search/"+name] = q
	}
	search("much", "prod")
	search("much by created", "prod", kms.Order{By: kms.ByCreated, Descending: true})
	search("one", fmt.Sprintf("-%06d", many/2))
	search("one by created", fmt.Sprintf("-%06d", many/2), kms.Order{By: kms.ByCreated})
	search("some", "ledger-stage-00", kms.Order{By: kms.ByUpdated})
	search("nothing", "zebra")
	search("not", "not:prod")
	search("alias", "alias:alias-100")
	search("exact", "exact:alias:alias-500")
	return all
}

// BenchmarkLists asks for each list many times and reports the 99th percentile. With
// STRONGROOM_BENCH_KEYS=1000000 it is the measurement that docs/ tells of.
func BenchmarkLists(b *testing.B) {
	many := manyKeys(b, 100_000)
	_, keys, k, _ := keyStore(b)
	crowd(b, keys, k, many)
	lists := asked(b, k, many)
	names := make([]string, 0, len(lists))
	for name := range lists {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		q := lists[name]
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			found := 0
			for b.Loop() {
				begin := time.Now()
				page, err := keys.ListKeys(b.Context(), q)
				if err != nil {
					b.Fatal(err)
				}
				took, found = append(took, time.Since(begin)), len(page)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(found), "keys")
		})
	}
}

// BenchmarkInsertKey adds keys to an instance that has many.
func BenchmarkInsertKey(b *testing.B) {
	_, keys, k, v := keyStore(b)
	crowd(b, keys, k, manyKeys(b, 100_000))
	k.Aliases = nil
	for b.Loop() {
		id := uuid.NewString()
		k.ID, v.ID, k.Newest.ID = kms.KeyID(id), kms.VersionID(id), kms.VersionID(id)
		if err := keys.InsertKey(b.Context(), k, v, 1, keyEvent()); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSearchesOfManyKeysAgree compares the ways in which a long search can be answered: by sorting
// what was found, by walking along an index, and page by page.
func TestSearchesOfManyKeysAgree(t *testing.T) {
	const few = 500          // are sorted rather than walked to
	const many = 5 * few / 2 // are more than that, also of what some of the searches find
	_, keys, k, _ := keyStore(t)
	keys.SetFew(few)
	crowd(t, keys, k, many)
	all := kms.Query{Instance: k.Instance, Scope: iam.Scope{All: true}, States: []kms.State{1, 2, 3, 5}, Now: k.Created, Limit: many}
	everything, err := keys.ListKeys(t.Context(), all)
	if err != nil || len(everything) != many {
		t.Fatalf("%d keys, %v", len(everything), err)
	}
	for _, text := range []string{"not:zebra", "prod", "-000", "web"} {
		search, err := kms.ParseSearch(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, since := range []int{-1, many / 10, many - 50} {
			q := all
			q.Search, q.Sort = search, []kms.Order{{By: kms.ByUpdated, Descending: true}}
			if since >= 0 {
				q.Dates = []kms.DateTerm{{By: kms.ByCreated, From: k.Created.Add(time.Duration(since) * time.Second)}}
			}
			whole, err := keys.ListKeys(t.Context(), q)
			n, cerr := keys.CountKeys(t.Context(), q)
			if err != nil || cerr != nil || n != len(whole) || since < 0 && text == "not:zebra" && n != many {
				t.Fatalf("%s since %d: %d keys, counted %d, %v, %v", text, since, len(whole), n, err, cerr)
			}
			if !slices.IsSortedFunc(whole, func(a, b kms.Key) int { return b.Updated.Compare(a.Updated) }) {
				t.Errorf("%s since %d: not sorted", text, since)
			}
			for q.Offset = 0; q.Offset < len(whole); q.Offset += max(1, len(whole)/3) {
				q.Limit = 20
				page, err := keys.ListKeys(t.Context(), q)
				want := whole[q.Offset:min(q.Offset+20, len(whole))]
				if err != nil || !slices.EqualFunc(page, want, func(a, b kms.Key) bool { return a.ID == b.ID }) {
					t.Errorf("%s since %d, from %d: a page of %d, %v", text, since, q.Offset, len(page), err)
				}
			}
		}
	}
}

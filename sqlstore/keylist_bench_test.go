package sqlstore_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
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

// crowdRing is a ring that one key in a hundred of a crowd is in.
const crowdRing = "team"

// crowd fills an instance with keys as an organisation has them: names of applications and
// environments, some standard keys, some imported, rotated, expiring or deleted. It returns their
// IDs, sorted.
func crowd(t testing.TB, keys *sqlstore.Keys, like kms.Key, v kms.Version, many int) []kms.KeyID {
	t.Helper()
	like.Aliases, like.Tags = nil, nil
	ring := kms.Ring{ID: crowdRing, Created: like.Created, CreatedBy: like.CreatedBy}
	if err := keys.InsertRing(t.Context(), like.Instance, ring, 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"payments", "billing", "archive", "web", "mobile", "ledger", "search", "mail"}
	places := []string{"prod", "stage", "test", "dev"}
	ids := make([]kms.KeyID, many)
	for i := range ids {
		ids[i] = kms.KeyID(uuid.NewString())
	}
	slices.Sort(ids) // which is the fastest order to add them in
	ages := random.Perm(many)
	one := func(i int) sqlstore.Insertion {
		k, v, n := like, v, ages[i]
		k.ID, v.ID, k.Newest.ID = ids[i], kms.VersionID(ids[i]), kms.VersionID(ids[i])
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
		if n%100 == 50 {
			k.Ring = crowdRing
		}
		return sqlstore.Insertion{Key: k, Version: v}
	}
	const together = 100 // in one transaction, which has to end in time also under the race detector
	for from := 0; from < many; from += together {
		var some []sqlstore.Insertion
		for i := from; i < min(from+together, many); i++ {
			some = append(some, one(i))
		}
		if err := keys.InsertKeys(t.Context(), 1, some...); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// asked are the lists that people and programs ask for: at the front of every sort and deep down,
// with filters and searches for much, for little and for nothing, for callers who may see
// everything and who may not.
func asked(t testing.TB, like kms.Key, ids []kms.KeyID) map[string]kms.Query {
	t.Helper()
	all := map[string]kms.Query{}
	many := len(ids)
	live := kms.Query{
		Instance: like.Instance, Scope: iam.Scope{All: true}, States: []kms.State{1, 2, 3}, Now: like.Created, Limit: 200,
	}
	for _, by := range kms.Properties() {
		for _, descending := range []bool{false, true} {
			q := live
			q.Sort = []kms.Order{{By: by, Descending: descending}}
			name := fmt.Sprintf("sort/%s/descending=%t", by, descending)
			all[name] = q
			q.Offset = many * 8 / 10
			all[name+"/deep"] = q
		}
	}
	sorted := func(by ...kms.Property) (sort []kms.Order) {
		for _, p := range by {
			sort = append(sort, kms.Order{By: p, Descending: p != kms.ByState})
		}
		return sort
	}
	several := live
	several.Sort = sorted(kms.ByState, kms.ByExtractable, kms.ByRotated, kms.ByUpdated)
	all["sort/several"] = several
	several.Offset = many * 8 / 10
	all["sort/several/deep"] = several
	long := live
	long.Limit = 5000
	all["long/id, 5000 keys"] = long

	filter := func(name, text string, by ...kms.Property) {
		f, err := kms.ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		q := live
		if q.Dates = f.Dates; f.States != nil {
			q.States = f.States
		}
		q.Extractable, q.Sort = f.Extractable, sorted(by...)
		all["filter/"+name] = q
		q.Offset = many / 2
		all["filter/"+name+"/deep"] = q
	}
	at := func(n int) string {
		return strconv.Quote(like.Created.Add(time.Duration(n) * time.Second).Format(time.RFC3339))
	}
	filter("standard", "extractable=true")
	filter("standard by created", "extractable=true", kms.ByCreated)
	filter("root keys by rotated", "extractable=false", kms.ByRotated)
	filter("both kinds", "extractable=true extractable=false")
	for _, state := range []string{"1", "2", "3", "5", "0", "2,3,5"} {
		filter("state "+state, "state="+state)
		filter("state "+state+" by updated", "state="+state, kms.ByUpdated)
	}
	for name, property := range map[string]string{
		"created": "creationDate", "updated": "lastUpdateDate", "rotated": "lastRotateDate",
		"expires": "expirationDate", "deleted": "deletionDate",
	} {
		by := kms.ByCreated
		if name == "created" {
			by = kms.ByUpdated
		}
		for _, operator := range []string{"", "lt:", "lte:", "gt:", "gte:"} {
			filter(name+" "+operator+"middle", property+"="+operator+at(many/2))
			filter(name+" "+operator+"middle by another", property+"="+operator+at(many/2), by)
		}
		filter(name+" none", property+"=none")
		filter(name+" none by another", property+"=none", by)
	}
	filter("created most", "creationDate=gte:"+at(many/10))
	filter("created few", "creationDate=gte:"+at(many-100))
	filter("created nothing", "creationDate=lt:"+at(-100))
	filter("created most by updated", "creationDate=gte:"+at(many/10), kms.ByUpdated)
	filter("created few by updated", "creationDate=gte:"+at(many-100), kms.ByUpdated)
	filter("created lately by updated", "creationDate=gte:"+at(many*98/100), kms.ByUpdated)
	filter("several", "state=1 extractable=false creationDate=gte:"+at(many/3)+" creationDate=lt:"+at(many*2/3)+
		" lastUpdateDate=gt:"+at(many/2)+" expirationDate=none lastRotateDate=none", kms.ByUpdated)
	filter("nothing of several", "creationDate=gt:"+at(many/2)+" lastUpdateDate=lt:"+at(many/2), kms.ByExpires)
	filter("nothing between", "creationDate=gt:"+at(many/2)+" creationDate=lt:"+at(many/3), kms.ByUpdated)

	few := live
	few.Scope = iam.Scope{}
	for i := range 1_000 {
		few.Scope.Keys = append(few.Scope.Keys, string(ids[i*many/1_000]))
	}
	ring := live
	ring.Scope = iam.Scope{Rings: []string{crowdRing}}
	both := few
	both.Scope.Rings = ring.Scope.Rings
	for name, q := range map[string]kms.Query{"1000 keys": few, "a ring": ring, "a ring and 1000 keys": both} {
		all["scope/"+name] = q
		q.Sort = sorted(kms.ByUpdated)
		all["scope/"+name+" by updated"] = q
		q.Dates = []kms.DateTerm{{By: kms.ByCreated, From: like.Created.Add(time.Duration(many/2) * time.Second)}}
		all["scope/"+name+" by updated, created late"] = q
	}
	asks := live
	asks.Ring, asks.Sort = crowdRing, sorted(kms.ByExpires)
	all["scope/asks for a ring"] = asks

	search := func(name, text string, by ...kms.Property) {
		s, err := kms.ParseSearch(text)
		if err != nil {
			t.Fatal(err)
		}
		q := live
		q.Search, q.Sort = s, sorted(by...)
		all["search/"+name] = q
	}
	search("much", "prod")
	search("much by created", "prod", kms.ByCreated)
	search("one", fmt.Sprintf("-%06d", many/2))
	search("one by created", fmt.Sprintf("-%06d", many/2), kms.ByCreated)
	search("some", "ledger-stage-00", kms.ByUpdated)
	search("nothing", "zebra")
	search("not", "not:prod")
	search("not by state", "not:zebra", kms.ByState, kms.ByExpires)
	search("alias", "alias:alias-100")
	search("exact", "exact:alias:alias-500")
	within := all["search/much by created"]
	within.Dates = []kms.DateTerm{{By: kms.ByUpdated, From: like.Created.Add(time.Duration(many/2) * time.Second)}}
	all["search/much within dates"] = within
	within.Scope = ring.Scope
	all["search/much within dates and a ring"] = within
	return all
}

// BenchmarkLists reads the roster of an instance, and then asks for all lists, and for how many keys are on them, in groups of the like. It
// reports the 99th percentile of all answers of a group, and the CPU time of an answer and of one of
// the list that takes most of it, which it names. With STRONGROOM_BENCH_KEYS=1000000 it is the
// measurement that docs/ tells of.
func BenchmarkLists(b *testing.B) {
	db, keys, k, v := keyStore(b)
	lists := asked(b, k, crowd(b, keys, k, v, manyKeys(b, 100_000)))
	b.Run("roster", func(b *testing.B) {
		var all asking
		for b.Loop() {
			all.ask(b, "roster", func() error {
				db.SetRosters(1, 2_000_000)
				if !db.AwaitRoster(b.Context(), k.Instance) {
					b.Fatal("the instance has no roster")
				}
				return nil
			})
		}
		all.report(b)
	})
	groups := map[string][]string{}
	for name, q := range lists {
		group, _, _ := strings.Cut(name, "/")
		if q.Offset == 0 { // which a count does not look at
			groups["count/"+group] = append(groups["count/"+group], name)
		}
		if q.Offset > 0 {
			group += "/deep"
		}
		groups[group] = append(groups[group], name)
	}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		b.Run(group, func(b *testing.B) {
			var all asking
			slices.Sort(groups[group])
			for b.Loop() {
				for _, name := range groups[group] {
					all.ask(b, name, func() (err error) {
						if strings.HasPrefix(group, "count/") {
							_, err = keys.CountKeys(b.Context(), lists[name])
						} else {
							_, err = keys.ListKeys(b.Context(), lists[name])
						}
						return err
					})
				}
			}
			all.report(b)
		})
	}
}

// asking gathers what answers took.
type asking struct {
	took []time.Duration
	cpu  map[string]time.Duration
	n    map[string]int
}

func (a *asking) ask(b *testing.B, name string, do func() error) {
	b.Helper()
	if a.cpu == nil {
		a.cpu, a.n = map[string]time.Duration{}, map[string]int{}
	}
	before, begin := cpuTime(b), time.Now()
	if err := do(); err != nil {
		b.Fatal(err)
	}
	a.took = append(a.took, time.Since(begin))
	a.cpu[name] += cpuTime(b) - before
	a.n[name]++
}

func (a *asking) report(b *testing.B) {
	b.Helper()
	var all, worst time.Duration
	var which string
	for name, cpu := range a.cpu {
		all += cpu
		if each := cpu / time.Duration(a.n[name]); each > worst {
			worst, which = each, name
		}
	}
	slices.Sort(a.took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(a.took[len(a.took)*99/100]), "p99-ms")
	b.ReportMetric(ms(all/time.Duration(len(a.took))), "cpu-ms")
	b.ReportMetric(ms(worst), "worst-cpu-ms")
	if len(a.n) > 1 {
		b.Logf("of %d lists, most CPU time is taken by %s", len(a.n), which)
	}
}

// cpuTime is what this process has used so far, in user and kernel.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// BenchmarkInsertKey adds keys to an instance that has many, while its lists are asked for and while
// nobody does that.
func BenchmarkInsertKey(b *testing.B) {
	db, keys, k, v := keyStore(b)
	crowd(b, keys, k, v, manyKeys(b, 100_000))
	k.Aliases = nil
	for _, listed := range []bool{false, true} {
		b.Run(fmt.Sprintf("listed=%t", listed), func(b *testing.B) {
			if listed && !db.AwaitRoster(b.Context(), k.Instance) {
				b.Fatal("the instance has no roster")
			}
			q := kms.Query{Instance: k.Instance, Scope: iam.Scope{All: true}, States: []kms.State{1}, Now: k.Created, Limit: 20}
			n := 0
			var all asking
			insert := func() error {
				id := uuid.NewString()
				k.ID, v.ID, k.Newest.ID = kms.KeyID(id), kms.VersionID(id), kms.VersionID(id)
				if n++; listed && n%100 == 0 {
					if _, err := keys.ListKeys(b.Context(), q); err != nil {
						return err
					}
				}
				return keys.InsertKey(b.Context(), k, v, 1, keyEvent())
			}
			for b.Loop() {
				all.ask(b, "insert", insert)
			}
			all.report(b)
		})
	}
}

// TestSearchesOfManyKeysAgree compares the ways in which a long search can be answered: by sorting
// what was found, by walking along an index, and page by page.
func TestSearchesOfManyKeysAgree(t *testing.T) {
	const few = 500          // are sorted rather than walked to
	const many = 5 * few / 2 // are more than that, also of what some of the searches find
	db, keys, k, v := keyStore(t)
	db.SetRosters(math.MaxInt, 0)
	keys.SetFew(few)
	crowd(t, keys, k, v, many)
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

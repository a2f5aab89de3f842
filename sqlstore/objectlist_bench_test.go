package sqlstore_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"strongroom/objects"
	"strongroom/sqlstore"
)

// manyObjects is how many objects the bucket of the benchmark has, unless STRONGROOM_BENCH_OBJECTS says.
func manyObjects(b *testing.B) int {
	b.Helper()
	text := os.Getenv("STRONGROOM_BENCH_OBJECTS")
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// fullBucket makes a bucket with many objects in a thousand folders, a hundred for each of ten years.
// One in ten of them has an older version, and one in ten was deleted.
func fullBucket(b *testing.B, store *sqlstore.Objects, many int) objects.BucketID {
	b.Helper()
	id := benchBucket(b, store)
	const together = 1_000
	for from := 0; from < many; from += together {
		var rows []objects.Row
		for i := from; i < min(from+together, many); i++ {
			r := benchRow(id, fmt.Sprintf("year=%d/folder=%03d/object-%07d.parquet", 2020+i*10/many, i*1_000/many%1_000, i))
			r.Version = objects.VersionID(fmt.Sprintf("%032x", i))
			r.Latest = true
			if i%10 == 0 {
				old := r
				old.Latest, old.Version = false, objects.NullVersion
				rows = append(rows, old)
			}
			if i%10 == 5 {
				old := r
				old.Latest, old.Version = false, objects.NullVersion
				rows = append(rows, old)
				r = objects.Row{Bucket: id, Key: r.Key, Version: r.Version, Latest: true, Marker: true, Modified: r.Modified}
			}
			rows = append(rows, r)
		}
		wantNoErr(b, store.FillBucket(b.Context(), rows))
	}
	return id
}

func benchBucket(b *testing.B, store *sqlstore.Objects) objects.BucketID {
	b.Helper()
	bucket := objects.Bucket{
		ID: objects.BucketID(uuid.NewString()), Name: "bucket", Instance: "instance", State: objects.BucketActive, Key: "key",
	}
	wantNoErr(b, store.CreateBucket(b.Context(), bucket, objects.BucketKey{ID: "key", Bucket: bucket.ID}, nil))
	return bucket.ID
}

func benchRow(bucket objects.BucketID, key string) objects.Row {
	return objects.Row{
		Bucket: bucket, Key: key, Version: objects.NullVersion, Size: 4096, Modified: time.Unix(1_800_000_000, 0),
		Opaque: "0123456789abcdef0123456789abcdef", Write: "0123456789abcdef0123456789abcdef", SealedBy: "key",
		DataKey: make([]byte, 125), Record: make([]byte, 400), Parts: 1,
	}
}

func wantNoErr(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkObjectLists asks for pages of 1,000 of a bucket with many objects, a million of them with
// STRONGROOM_BENCH_OBJECTS=1000000.
func BenchmarkObjectLists(b *testing.B) {
	db, _ := fresh(b)
	store := db.Objects()
	many := manyObjects(b)
	id := fullBucket(b, store, many)
	deep := fmt.Sprintf("year=%d/folder=%03d/object-%07d.parquet", 2020+8, 800, many*8/10)
	lists := map[string]objects.List{
		"first page":             {},
		"deep":                   {After: deep},
		"prefix":                 {Prefix: "year=2025/"},
		"folders of the top":     {Delimiter: "/"},
		"folders of a year":      {Delimiter: "/", Prefix: "year=2025/"},
		"a thousand folders":     {Delimiter: "parquet"},
		"files of a folder":      {Delimiter: "/", Prefix: "year=2025/folder=500/"},
		"deep, with a delimiter": {Delimiter: "/", After: deep},
		"versions":               {Versions: true},
		"versions, deep":         {Versions: true, After: deep},
		"versions of a folder":   {Versions: true, Delimiter: "/", Prefix: "year=2025/folder=500/"},
		"nothing":                {Prefix: "zzz"},
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		b.Run(name, func(b *testing.B) {
			l := lists[name]
			l.Limit = objects.MaxPage
			var all asking
			var entries int
			for b.Loop() {
				all.ask(b, name, func() error {
					rows, prefixes, err := store.List(b.Context(), id, l)
					entries = len(rows) + len(prefixes)
					return err
				})
			}
			all.report(b)
			b.ReportMetric(float64(entries), "entries")
		})
	}
}

// BenchmarkPutVersion puts small embedded objects, each with its event, from one writer and from many.
func BenchmarkPutVersion(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db, _ := fresh(b)
			store := db.Objects()
			id := benchBucket(b, store)
			var n atomic.Int64
			put := func() error {
				blob := objects.NewBlobID()
				_, err := store.PutVersion(b.Context(), objects.PutVersion{
					Row:   benchRow(id, fmt.Sprintf("object-%d", n.Add(1))),
					Parts: []objects.PartRow{{Number: 1, Size: 4096, Blob: objects.Blob{ID: blob, Inline: make([]byte, 4096)}}},
					Event: keyEvent(),
				})
				return err
			}
			before, begin, sent := cpuTime(b), time.Now(), db.Statements()
			b.SetParallelism(writers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := put(); err != nil {
						b.Error(err)
					}
				}
			})
			puts := float64(n.Load())
			b.ReportMetric(puts/time.Since(begin).Seconds(), "puts/s")
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/puts, "cpu-µs/put")
			b.ReportMetric(float64(db.Statements()-sent)/puts, "statements/put")
		})
	}
}

// BenchmarkGetVersion reads the newest version of a small embedded object and its content.
func BenchmarkGetVersion(b *testing.B) {
	db, _ := fresh(b)
	store := db.Objects()
	row := benchRow(benchBucket(b, store), "object")
	_, err := store.PutVersion(b.Context(), objects.PutVersion{
		Row:   row,
		Parts: []objects.PartRow{{Number: 1, Size: 4096, Blob: objects.Blob{ID: objects.NewBlobID(), Inline: make([]byte, 4096)}}},
	})
	wantNoErr(b, err)
	before := cpuTime(b)
	for b.Loop() {
		newest, err := store.Latest(b.Context(), row.Bucket, row.Key)
		wantNoErr(b, err)
		_, err = store.PartsOf(b.Context(), newest)
		wantNoErr(b, err)
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/get")
}

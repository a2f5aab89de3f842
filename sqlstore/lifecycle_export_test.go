package sqlstore

import (
	"testing"

	"strongroom/kms"
)

// PlanOfDueKeys returns how the database finds keys that are due.
func PlanOfDueKeys(t testing.TB, db *DB, what kms.Due) string {
	t.Helper()
	statement, err := dueStatement(what)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.query(t.Context(), "EXPLAIN QUERY PLAN "+statement, 1, 0, "", "", 10)
	lines, err := collect(rows, err, func(row scanner) (line string, err error) {
		var n int
		return line, row.Scan(&n, &n, &n, &line)
	})
	if err != nil {
		t.Fatal(err)
	}
	plan := ""
	for _, line := range lines {
		plan += line + "\n"
	}
	return plan
}

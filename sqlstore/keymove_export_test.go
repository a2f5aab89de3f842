package sqlstore

import (
	"testing"

	"strongroom/kms"
)

// PlanOfMove returns how the database finds versions that are to be moved.
func PlanOfMove(t testing.TB, db *DB, m kms.Move) string {
	t.Helper()
	rows, err := db.query(t.Context(), "EXPLAIN QUERY PLAN "+versionsToMove(m), 1, "", "", 0, string(m.Instance), 10)
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

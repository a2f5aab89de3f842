package sqlstore

import (
	"crypto/hmac"
	"fmt"

	"strongroom/iam"
)

// sorted renders where a range begins and how it is sorted, for the end of a
// statement whose WHERE has a condition already and whose parameters so far are
// args. The columns are constants of the program.
func sorted(r iam.IdentityRange, name, created, id string, args []any) (string, []any) {
	column, from := created, any(micros(r.Created))
	if r.Order == iam.ByName {
		column, from = name, r.Name
	}
	direction, after := "ASC", ">"
	if r.Descending {
		direction, after = "DESC", "<"
	}
	clause := ""
	if r.Resume {
		clause = fmt.Sprintf(" AND (%s, %s) %s ($%d, $%d)", column, id, after, len(args)+1, len(args)+2)
		args = append(args, from, r.ID)
	}
	clause += fmt.Sprintf(" ORDER BY %s %s, %s %s LIMIT $%d", column, direction, id, direction, len(args)+1)
	return clause, append(args, r.Limit)
}

// verify compares the MAC of a row with that of what was read from it, in
// constant time.
func verify(table, id string, mac, sum []byte) error {
	if !hmac.Equal(mac, sum) {
		return fmt.Errorf("%s %q: %w", table, id, errForged)
	}
	return nil
}

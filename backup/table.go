package backup

import "fmt"

// Type is that of a column, in terms that every database has.
type Type string

// The types. Values are nil, or for Text a string, for Integer an int64, for Boolean a bool and for
// Bytes a []byte.
const (
	Text    Type = "text"
	Integer Type = "integer"
	Boolean Type = "boolean"
	Bytes   Type = "bytes"
)

// Column is a column of a table.
type Column struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
}

// Table announces the rows of one table.
type Table struct {
	Name    string   `json:"table"`
	Columns []Column `json:"columns"`
}

// Rows takes the content of a database: each table, followed by its rows.
type Rows interface {
	// Table begins a table.
	Table(t Table) error
	// Row adds a row to the table begun last; values are in the order of its columns, and not kept.
	Row(values []any) error
}

func (t Table) check() error {
	if t.Name == "" || len(t.Columns) == 0 {
		return fmt.Errorf("%w: a table without a name or columns", ErrDamaged)
	}
	for _, c := range t.Columns {
		switch {
		case c.Name == "":
			return fmt.Errorf("%w: a column of table %s has no name", ErrDamaged, t.Name)
		case c.Type != Text && c.Type != Integer && c.Type != Boolean && c.Type != Bytes:
			return fmt.Errorf("%w: column %s.%s has the unknown type %q", ErrDamaged, t.Name, c.Name, c.Type)
		}
	}
	return nil
}

package s3

import (
	"strconv"
	"time"

	"strongroom/internal/httpface"
)

// document writes an XML document front to back. Listings are written with it: they are long and
// frequent, and encoding a thousand entries by reflection takes longer than finding them.
type document struct {
	b    []byte
	root string
}

func newDocument(root string) *document {
	d := &document{root: root}
	d.b = append(d.b, xmlDeclaration...)
	d.b = append(append(append(append(append(d.b, '<'), root...), ` xmlns="`...), namespace...), `">`...)
	return d
}

func (d *document) open(name string)  { d.b = append(append(append(d.b, '<'), name...), '>') }
func (d *document) close(name string) { d.b = append(append(append(d.b, '<', '/'), name...), '>') }

// text writes an element with character data.
func (d *document) text(name, value string) {
	d.open(name)
	d.b = append(d.b, escape(value)...)
	d.close(name)
}

// given writes an element if it has a value.
func (d *document) given(name, value string) {
	if value != "" {
		d.text(name, value)
	}
}

func (d *document) number(name string, n int64) {
	d.open(name)
	d.b = strconv.AppendInt(d.b, n, 10)
	d.close(name)
}

func (d *document) truth(name string, v bool) {
	d.open(name)
	d.b = strconv.AppendBool(d.b, v)
	d.close(name)
}

func (d *document) time(name string, t time.Time) {
	d.open(name)
	d.b = t.UTC().AppendFormat(d.b, instantLayout)
	d.close(name)
}

func (d *document) owner(name string, o owner) {
	d.open(name)
	d.text("ID", o.ID)
	d.text("DisplayName", o.DisplayName)
	d.close(name)
}

// answer ends the document.
func (d *document) answer() httpface.Answer {
	d.close(d.root)
	return httpface.Answer{Type: typeXML, Bytes: d.b}
}

package pkcs11

import (
	"context"
	"fmt"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// Anchor implements custody.Anchors.
func (m *Module) Anchor(ctx context.Context) ([]byte, error) {
	r, err := m.ask(ctx, wire.OpAnchor, [2]uint32{}, 1)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the anchor: %w", err)
	case r.number == 0:
		return nil, nil
	}
	return append([]byte{}, r.fields[0]...), nil
}

// SetAnchor implements custody.Anchors.
func (m *Module) SetAnchor(ctx context.Context, record []byte) error {
	if len(record) > custody.MaxAnchor {
		return fmt.Errorf("writing the anchor: %w: %d bytes, at most %d", custody.ErrBinding, len(record), custody.MaxAnchor)
	}
	if err := m.do(ctx, wire.OpSetAnchor, [2]uint32{}, record); err != nil {
		return fmt.Errorf("writing the anchor: %w", err)
	}
	return nil
}

package agent

import (
	"encoding/json"
	"fmt"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// answer does what a request asks.
func (s *server) answer(in, out *wire.Message) {
	if err := s.do(in, out); err != nil {
		*out = wire.Message{ID: in.ID}
		fail(out, err)
	}
}

// do calls the operation of the request with the numbers and fields that package wire says, and
// fills the answer. Sizes that matter are checked where they matter.
func (s *server) do(in, out *wire.Message) error {
	t, n, m := s.token, in.Numbers[0], in.Numbers[1]
	switch op := wire.Op(in.Kind); op {
	case wire.OpCMAC:
		return cmac(t, in, out)
	case wire.OpLoad:
		return t.Load(n, in.Field(0))
	case wire.OpForget:
		return t.Forget(n, in.Field(0))
	case wire.OpMake:
		w, err := t.Make(n, int(m))
		return wrapped(out, w, err)
	case wire.OpImport:
		w, err := t.Import(n, in.Field(0))
		return wrapped(out, w, err)
	case wire.OpRewrap:
		w, err := t.Rewrap(n, in.Field(0), m)
		return wrapped(out, w, err)
	case wire.OpTokenStatus:
		st, err := t.Status()
		return encoded(out, st, err)
	case wire.OpMakeMasters:
		escrow, err := t.MakeMasters(n, string(in.Field(0)), in.Field(1))
		return fields(out, err, escrow)
	case wire.OpDestroyMasters:
		return t.DestroyMasters(n)
	case wire.OpMakePair:
		public, private, err := t.MakePair(n, int(m))
		return fields(out, err, public, private)
	case wire.OpReceive:
		return receive(t, in, out)
	case wire.OpExportKey:
		key, encrypted, err := t.ExportKey(n, in.Field(0))
		return fields(out, err, key, encrypted)
	case wire.OpExport:
		key, err := t.Export(n, in.Field(0), m, in.Field(1))
		return fields(out, err, key)
	case wire.OpIntakeKey:
		key, err := t.IntakeKey(n, in.Field(0), in.Field(1))
		return fields(out, err, key)
	case wire.OpIntake:
		w, err := t.Intake(n, in.Field(1), in.Field(0), m)
		return wrapped(out, w, err)
	case wire.OpAnchor:
		record, err := t.Anchor()
		if record != nil {
			out.Numbers[0] = 1
		}
		return fields(out, err, record)
	case wire.OpSetAnchor:
		return t.SetAnchor(in.Field(0))
	case wire.OpPing:
		return t.Ping()
	case wire.OpExamine:
		e, err := t.Examine()
		return encoded(out, e, err)
	default:
		return fmt.Errorf("%s: unknown here", op)
	}
}

func cmac(t Token, in, out *wire.Message) error {
	if len(in.Field(1)) != 2*custody.BlockSize {
		return fmt.Errorf("%w: blocks of %d bytes", custody.ErrBinding, len(in.Field(1)))
	}
	blocks := (*[2 * custody.BlockSize]byte)(in.Field(1)) // in the frame, which is the worker's
	out.Add(blocks[:])
	return t.CMAC(in.Numbers[0], in.Field(0), blocks)
}

func receive(t Token, in, out *wire.Message) error {
	transported := custody.Transported{Material: in.Field(1), SealedNonce: in.Field(2)}
	if len(in.Field(3)) != len(transported.IV) {
		return custody.ErrNonceSealing
	}
	copy(transported.IV[:], in.Field(3))
	size, w, err := t.Receive(in.Numbers[0], in.Field(0), transported, in.Field(4), in.Numbers[1])
	out.Numbers[0] = uint32(size)
	return wrapped(out, w, err)
}

func fields(out *wire.Message, err error, all ...[]byte) error {
	for _, f := range all {
		out.Add(f)
	}
	return err
}

func wrapped(out *wire.Message, w custody.Wrapped, err error) error {
	return fields(out, err, w.Master, w.Recovery)
}

func encoded(out *wire.Message, v any, err error) error {
	if err != nil {
		return err
	}
	text, err := json.Marshal(v)
	return fields(out, err, text)
}

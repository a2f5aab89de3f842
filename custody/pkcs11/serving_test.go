package pkcs11_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"

	"strongroom/custody"
	"strongroom/custody/pkcs11"
)

// servingCommand is the argument that makes the test a process that serves: it receives a key by
// secure import, and wraps with it until its input ends. What it is told and tells is JSON, one value
// after the other.
const servingCommand = "serve"

// imported is what the owner of key material sends, who never shows it.
type imported struct {
	Transported custody.Transported
	Nonce       []byte
}

func serve(from io.Reader, to io.Writer) error {
	ctx, in, out := context.Background(), json.NewDecoder(from), json.NewEncoder(to)
	var o pkcs11.Options
	if err := in.Decode(&o); err != nil {
		return err
	}
	m, err := pkcs11.Open(ctx, o)
	if err != nil {
		return err
	}
	defer m.Close()
	if _, err := m.MakeMasters(ctx, 1, custody.Recovery{}); err != nil {
		return err
	}
	instance, _, err := m.Make(ctx, custody.Root, instanceBinding("instance"))
	if err != nil {
		return err
	}
	pair, err := m.MakeTransport(ctx)
	if err != nil {
		return err
	}
	at := custody.TransportBinding{Account: "account", Instance: "instance", Token: "token", Generation: 1}
	private, err := m.BindTransport(ctx, pair, instance, at)
	if err != nil {
		return err
	}
	if err := out.Encode(pair.Public); err != nil {
		return err
	}
	var i imported
	if err := in.Decode(&i); err != nil {
		return err
	}
	defer runtime.KeepAlive(&i) // by which the test knows that it sees this memory
	h, _, err := m.Receive(ctx, instance, private, at, i.Nonce, custody.Binding{
		Purpose: custody.PurposeKeyVersion, Account: "account", Instance: "instance", Key: "key", Version: "version",
		Generation: 1, Origin: custody.OriginImported,
	}, i.Transported)
	if err != nil {
		return err
	}
	id, err := custody.Identify(ctx, m, h)
	if err != nil {
		return err
	}
	if err := out.Encode(id); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, from)
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return nil
		default:
		}
		box, err := custody.Seal(ctx, m, h, custody.PurposeDataKey, nil, []byte("data key of a caller"))
		if err != nil {
			return err
		}
		if _, err := custody.Open(ctx, m, h, custody.PurposeDataKey, nil, box); err != nil {
			return fmt.Errorf("opening what was sealed: %w", err)
		}
	}
}

func instanceBinding(id string) custody.Binding {
	return custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "account", Instance: id,
		Generation: 1, Origin: custody.OriginGenerated, Size: 32,
	}
}

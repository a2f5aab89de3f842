//go:build cgo && pkcs11

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	binding "github.com/miekg/pkcs11"

	"strongroom/custody/pkcs11"
	"strongroom/custody/pkcs11/softhsm"
)

// tokenTargets returns those of a new token of SoftHSM, and what ends their use.
func tokenTargets(ctx context.Context, dir string) (all []*target, stop func() error, err error) {
	if _, err := softhsm.Library(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNoToken, err)
	}
	dir = filepath.Join(dir, "hsm")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, nil, err
	}
	token, err := softhsm.New(dir, "bench")
	if err != nil {
		return nil, nil, err
	}
	if err := os.Setenv(softhsm.ConfigVariable, token.Config()); err != nil {
		return nil, nil, err
	}
	loop, end, err := bareLoop(token)
	if err != nil {
		return nil, nil, fmt.Errorf("bare loop: %w", err)
	}
	m, err := pkcs11.Open(ctx, pkcs11.Options{
		Name: "hsm", Library: token.Library, Token: token.Label, PINFile: token.PINFile,
	})
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	all, err = of(ctx, m, m)
	stop = func() error { return errors.Join(m.Close(), end()) }
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return append([]*target{{name: bareName, workers: 1, wrap: loop}}, all...), stop, nil
}

// bareLoop returns what computes two CMACs in the token, through the usual binding, and what ends it.
func bareLoop(token *softhsm.Token) (loop, end func() error, err error) {
	ctx := binding.New(token.Library)
	if ctx == nil {
		return nil, nil, errors.New("the library does not load")
	}
	if err := ctx.Initialize(); err != nil {
		return nil, nil, err
	}
	slots, err := ctx.GetSlotList(true)
	if err != nil {
		return nil, nil, err
	}
	s, err := ctx.OpenSession(slots[0], binding.CKF_SERIAL_SESSION|binding.CKF_RW_SESSION)
	if err != nil {
		return nil, nil, err
	}
	pin, err := os.ReadFile(token.PINFile)
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Login(s, binding.CKU_USER, strings.TrimSpace(string(pin))); err != nil {
		return nil, nil, err
	}
	attr := binding.NewAttribute
	key, err := ctx.GenerateKey(s, []*binding.Mechanism{binding.NewMechanism(binding.CKM_AES_KEY_GEN, nil)}, []*binding.Attribute{
		attr(binding.CKA_CLASS, binding.CKO_SECRET_KEY), attr(binding.CKA_KEY_TYPE, binding.CKK_AES),
		attr(binding.CKA_VALUE_LEN, 32), attr(binding.CKA_SIGN, true), attr(binding.CKA_SENSITIVE, true),
	})
	if err != nil {
		return nil, nil, err
	}
	cmac, block := []*binding.Mechanism{binding.NewMechanism(binding.CKM_AES_CMAC, nil)}, make([]byte, 16)
	loop = func() error {
		for range 2 {
			if err := ctx.SignInit(s, cmac, key); err != nil {
				return err
			}
			if _, err := ctx.Sign(s, block); err != nil {
				return err
			}
		}
		return nil
	}
	end = func() error {
		err := ctx.Finalize()
		ctx.Destroy()
		return err
	}
	return loop, end, nil
}

//go:build !linux

package pkcs11

import (
	"errors"
	"syscall"
)

// socketPair fails: the agent guards itself by means that only Linux has.
func socketPair() ([2]int, error) {
	return [2]int{}, errors.New("tokens can be used on Linux only")
}

// processAttributes are those of the agent's process.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

//go:build !linux

package pkcs11

import "syscall"

// processAttributes are those of the agent's process.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

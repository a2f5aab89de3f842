package pkcs11

import (
	"os"
	"syscall"
)

// socketPair returns two connected sockets that no other program inherits.
func socketPair() ([2]int, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	return pair, os.NewSyscallError("socketpair", err)
}

// processAttributes are those of the agent's process: it ends with us, whatever hangs in it.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

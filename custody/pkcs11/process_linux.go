package pkcs11

import "syscall"

// processAttributes are those of the agent's process: it ends with us, whatever hangs in it.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

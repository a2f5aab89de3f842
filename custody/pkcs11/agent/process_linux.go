package agent

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// socketFD is where the parent puts its end of the socket pair: the first file after the standard ones.
const socketFD = 3

// Main is the whole of the agent's process. It returns when the parent closes the socket.
func Main() error {
	if err := harden(); err != nil {
		return err
	}
	f := os.NewFile(socketFD, "parent")
	conn, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return errors.New("the custody agent is started by the server, not by hand")
	}
	defer conn.Close()
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("the custody agent is started by the server, on a socket pair")
	}
	if err := checkPeer(socket); err != nil {
		return err
	}
	return Serve(socket, openToken)
}

// harden keeps what is in this process from core dumps and from other processes of the same user,
// and ends it with its parent.
func harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core dumps: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process not dumpable: %w", err)
	}
	return nil
}

// checkPeer finds out whether the other end was made by the parent, under the same user.
func checkPeer(socket *net.UnixConn) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("looking at the parent's socket: %w", err)
	}
	var (
		peer    *unix.Ucred
		peerErr error
	)
	if err := raw.Control(func(fd uintptr) {
		peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return fmt.Errorf("looking at the parent's socket: %w", err)
	}
	switch {
	case peerErr != nil:
		return fmt.Errorf("looking at the parent's socket: %w", peerErr)
	case int(peer.Pid) != os.Getppid() || int(peer.Uid) != os.Getuid():
		return fmt.Errorf("the socket is of process %d of user %d, not of the parent", peer.Pid, peer.Uid)
	}
	return nil
}

package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrUnavailable says that the log cannot be written at present: what cannot be recorded must be
// refused. Errors of Append and Healthy wrap it together with the cause.
var ErrUnavailable = errors.New("audit log cannot be written")

// Sync says what Append has done when it returns.
type Sync int

const (
	// SyncGroup makes each event durable; events that wait at the same time share one fdatasync.
	SyncGroup Sync = iota
	// SyncSecond only hands events to the operating system, and makes them durable once a second:
	// they survive kill -9, but power loss takes the last second. The segments say so.
	SyncSecond
)

// String returns the name that segments and the status of the server show.
func (s Sync) String() string {
	if s == SyncSecond {
		return "second"
	}
	return "group"
}

// Retention limits what is kept. Only closed segments are removed, whole and oldest first, and each
// removal is itself recorded.
type Retention struct {
	Days  int   // a segment goes when its newest event is older; zero keeps all
	Bytes int64 // of all segments together, the open one included; zero is without limit
}

// Defaults of Options.
const (
	defaultSegmentBytes = 64 << 20
	defaultReserve      = 64 << 20
)

// Options says where a log is and how it is kept.
type Options struct {
	Dir          string           // folder of this log alone, made if needed; locked while open
	Server       string           // ID of the server, the same at every start
	Signer       Signer           // signs checkpoints
	Anchors      Anchors          // keeps checkpoints elsewhere; nil leaves the newest entries unanchored
	Now          func() time.Time // wall clock
	Retention    Retention
	SegmentBytes int64       // a segment is closed at about this size; zero means 64 MiB
	Reserve      uint64      // free bytes of the disk that refusals without a caller never use; zero means 64 MiB
	Sync         Sync        // zero is the strongest
	OnError      func(error) // told of failures that no caller sees; nil ignores them

	files files // the folder, in tests
}

// Log is an audit log that is open for writing. Its methods may be called concurrently.
type Log struct {
	server       string
	epoch        uint64
	signer       Signer
	anchors      Anchors
	now          func() time.Time
	retention    Retention
	segmentBytes int64
	reserve      uint64
	sync         Sync
	onError      func(error)
	files        files

	items    items
	refusals refusals   // of requests without a caller that were refused
	answers  refusals   // of those that were answered
	once     sync.Mutex // held by AppendOnce from looking for an event until it is durable
	failure  atomic.Pointer[failure]

	mu     sync.Mutex
	queue  []*item // waiting for the committer; guarded by mu
	closed bool    // no more items; guarded by mu

	state    sync.RWMutex
	segments []*segment // closed ones, oldest first, replaced and never changed; guarded by state
	notes    *notes     // of the open segment; guarded by state
	end      position   // after the newest line written; guarded by state
	news     uint64     // sequence of the newest line that is no checkpoint; guarded by state

	signing sync.Mutex // held while a checkpoint is made and handed over
	saved   bool       // newest is with the anchors; guarded by signing
	newest  atomic.Pointer[Checkpoint]

	removing sync.Mutex // held while segments are removed, and while the folder is listed anew

	w writer // owned by the committer

	wake  chan struct{} // items wait
	sign  chan struct{} // a segment was closed: a checkpoint is due
	shelf chan struct{} // closed segments may need an index or be too old
	stop  context.CancelFunc
	keep  sync.WaitGroup // keeper and librarian
	done  chan struct{}  // the committer has ended
}

// failure is why the log cannot be written, and since when.
type failure struct {
	err   error
	since time.Time
}

// Open opens the log in o.Dir. It removes what a crash left half written, compares the folder with
// the newest checkpoint of o.Anchors, begins a new segment and epoch, and signs a checkpoint. If
// acknowledged entries are missing it opens all the same, and records that they are.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.Server == "" || o.Signer == nil || o.Now == nil {
		return nil, errors.New("opening audit log: Server, Signer and Now are required")
	}
	fs := o.files
	if fs == nil {
		d, err := openDisk(o.Dir)
		if err != nil {
			return nil, err
		}
		fs = d
	}
	l := newLog(o, fs)
	if err := l.start(ctx); err != nil {
		fs.close()
		return nil, fmt.Errorf("opening audit log: %w", err)
	}
	return l, nil
}

func newLog(o Options, fs files) *Log {
	l := &Log{
		server: o.Server, signer: o.Signer, anchors: o.Anchors, now: o.Now,
		retention: o.Retention, segmentBytes: o.SegmentBytes, reserve: o.Reserve,
		sync: o.Sync, onError: o.OnError, files: fs,
		w:     writer{chain: newChainer()},
		wake:  make(chan struct{}, 1),
		sign:  make(chan struct{}, 1),
		shelf: make(chan struct{}, 1),
		done:  make(chan struct{}),
	}
	if l.segmentBytes <= 0 {
		l.segmentBytes = defaultSegmentBytes
	}
	if l.reserve == 0 {
		l.reserve = defaultReserve
	}
	if l.onError == nil {
		l.onError = func(error) {}
	}
	return l
}

// start resumes the chain, starts the goroutines and signs the first checkpoint of the epoch.
func (l *Log) start(ctx context.Context) error {
	var anchor *Checkpoint
	if l.anchors != nil {
		c, ok, err := l.anchors.LastCheckpoint(ctx, l.server)
		if err != nil {
			return fmt.Errorf("reading newest anchor: %w", err)
		}
		if ok {
			anchor = &c
		}
	}
	if err := l.resume(nil, anchor); err != nil {
		return err
	}
	// The goroutines outlive the call that opens the log; Close ends them.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.commit()
	l.keep.Go(func() { l.watch(running) })
	l.keep.Go(func() { l.file(running) })
	poke(l.shelf)
	if err := l.checkpoint(ctx); err != nil {
		l.stop()
		l.keep.Wait()
		l.finish()
		return err
	}
	return nil
}

// Healthy returns nil if the log can be written, and otherwise an error that wraps ErrUnavailable
// and the cause. While it is not healthy the log tries again once a second.
func (l *Log) Healthy() error {
	if f := l.failure.Load(); f != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, f.err)
	}
	return nil
}

// Head returns the newest signed checkpoint. It does not wait for one that is being made.
func (l *Log) Head() Checkpoint {
	if c := l.newest.Load(); c != nil {
		return *c
	}
	return Checkpoint{}
}

var errClosed = errors.New("the log is closed")

// Close records the refusals that were counted, signs a last checkpoint and releases the folder.
// Events being appended are finished first; later ones are refused. ctx bounds signing and saving
// the checkpoint only.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return nil
	}
	l.stop()
	l.keep.Wait()
	err := l.flushRefusals(ctx, true)
	err = errors.Join(err, l.checkpoint(ctx))
	return errors.Join(err, l.finish())
}

// finish ends the committer, indexes the last segment and releases the folder.
func (l *Log) finish() error {
	l.mu.Lock()
	already := l.closed
	l.closed = true
	l.mu.Unlock()
	if already {
		return nil
	}
	poke(l.wake)
	<-l.done
	l.failure.Store(&failure{err: errClosed, since: l.now()})
	var err error
	if l.w.file != nil {
		err = l.w.file.Close()
		x, blocks := newIndex(l.end.first, l.end.size, l.noted())
		if failed := writeIndex(l.files, x, blocks); failed != nil {
			l.onError(failed)
		}
	}
	return errors.Join(err, l.files.close())
}

// noted returns the notes of the open segment with its end. Only for the committer, or after it.
func (l *Log) noted() *notes {
	l.notes.end = l.end
	return l.notes
}

// poke wakes the one who waits on c, now or when next it does.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

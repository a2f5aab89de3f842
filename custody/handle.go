package custody

import "fmt"

// Handle names a key that is loaded in a module. It means nothing to another module or after the
// module was closed. Its two lowest bits tell the size of the key, which every sealing binds, its
// six highest the slot of a [Rack]; the zero Handle is never a loaded key.
type Handle uint64

const (
	slotShift = 58
	rootSlot  = 1<<6 - 1 // no module of a rack stands there, so that a rack has fewer slots than this
	localMask = 1<<slotShift - 1
)

// Root stands for the masters of the module, as the parent of instance keys. Of which generation
// says the binding of the key.
const Root Handle = rootSlot<<slotShift | 3

// RootOf names the seal master of one generation, which CMAC takes like the handle of a key.
func RootOf(generation uint32) Handle { return Root | Handle(generation)<<2 }

// RootGeneration returns the generation whose seal master h names, and whether it names one: zero
// for Root itself.
func (h Handle) RootGeneration() (generation uint32, ok bool) {
	if h>>slotShift != rootSlot {
		return 0, false
	}
	return uint32(h >> 2), true
}

// NewHandle returns the handle for the key with this serial number, below 2⁵⁶, and size in bytes
// (16, 24 or 32). It is for implementations of Module, which never use a serial number twice.
func NewHandle(serial uint64, size int) Handle {
	if !validSize(size) || serial>>(slotShift-2) != 0 {
		panic(fmt.Sprintf("custody: no handle for key %d of %d bytes", serial, size))
	}
	return Handle(serial<<2 | uint64(size/8-1))
}

// Size returns the size in bytes of the key that h names, or 0 when h can name none.
func (h Handle) Size() int {
	if class := int(h & 3); class != 0 {
		return 8 * (class + 1)
	}
	return 0
}

// InSlot returns the name that a [Rack] gives to h, a handle of the module in that slot.
func (h Handle) InSlot(slot int) Handle { return Handle(slot)<<slotShift | h.Local() }

// Slot returns the slot of a rack in which the module of h stands.
func (h Handle) Slot() int { return int(h >> slotShift) }

// Local returns the handle as the module in the slot knows it.
func (h Handle) Local() Handle { return h & localMask }

// validSize reports whether size is that of an AES key.
func validSize(size int) bool { return size == 16 || size == 24 || size == 32 }

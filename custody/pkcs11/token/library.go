//go:build cgo && pkcs11

package token

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

// What is used here of the function list of PKCS#11 2.40: a version, and 68 functions in their order.
typedef unsigned long rv;
typedef struct { unsigned char major, minor; void *function[68]; } function_list;
typedef struct { unsigned long type; void *parameter; unsigned long length; } mechanism;
typedef struct { unsigned long type; void *value; unsigned long length; } attribute;

enum { LOGIN = 18, DECRYPT_INIT = 33, DECRYPT = 34, SIGN_INIT = 42, SIGN = 43, WRAP_KEY = 60 };
enum { GENERAL_ERROR = 5, AES_CMAC = 0x108a, BLOCK = 16 };

static function_list *open_library(const char *path, const char **why) {
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) {
		*why = dlerror();
		return NULL;
	}
	rv (*get)(function_list **) = (rv (*)(function_list **))dlsym(library, "C_GetFunctionList");
	function_list *list = NULL;
	if (get == NULL || get(&list) != 0 || list == NULL) {
		*why = "not a PKCS#11 library";
		return NULL;
	}
	return list;
}

static rv login(function_list *l, unsigned long session, unsigned char *pin, unsigned long length) {
	rv (*f)(unsigned long, unsigned long, unsigned char *, unsigned long) = l->function[LOGIN];
	return f(session, 1, pin, length);
}

// two_cmacs computes the CMAC of each of two blocks.
static rv two_cmacs(function_list *l, unsigned long session, unsigned long key, unsigned char *in, unsigned char *out) {
	rv (*init)(unsigned long, mechanism *, unsigned long) = l->function[SIGN_INIT];
	rv (*sign)(unsigned long, unsigned char *, unsigned long, unsigned char *, unsigned long *) = l->function[SIGN];
	mechanism cmac = {AES_CMAC, NULL, 0};
	for (int i = 0; i < 2; i++) {
		unsigned long n = BLOCK;
		rv r = init(session, &cmac, key);
		if (r == 0) r = sign(session, in + i * BLOCK, BLOCK, out + i * BLOCK, &n);
		if (r == 0 && n != BLOCK) r = GENERAL_ERROR;
		if (r != 0) return r;
	}
	return 0;
}

static rv decrypt(function_list *l, unsigned long session, unsigned char *in, unsigned long size, unsigned char *out, unsigned long *n) {
	rv (*f)(unsigned long, unsigned char *, unsigned long, unsigned char *, unsigned long *) = l->function[DECRYPT];
	return f(session, in, size, out, n);
}

static rv wrap_key(function_list *l, unsigned long session, unsigned long type, unsigned long by, unsigned long key, unsigned char *out, unsigned long *n) {
	rv (*f)(unsigned long, mechanism *, unsigned long, unsigned long, unsigned char *, unsigned long *) = l->function[WRAP_KEY];
	mechanism m = {type, NULL, 0};
	return f(session, &m, by, key, out, n);
}
*/
import "C"

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/miekg/pkcs11"
)

// library is a vendor's library: the binding that everybody uses, and beside it direct calls where
// the binding would leave secrets in memory that nobody wipes (login and decryption), would cost a
// sealing seven calls into C instead of one, or would ask for the size of a wrapped key first, which
// costs a token another operation and which NSS answers wrongly.
type library struct {
	*pkcs11.Ctx
	list *C.function_list
}

// openLibrary loads a library, without initializing it.
func openLibrary(path string) (*library, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var why *C.char
	list := C.open_library(name, &why)
	if list == nil {
		return nil, fmt.Errorf("loading the PKCS#11 library %s: %s", path, C.GoString(why))
	}
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, fmt.Errorf("loading the PKCS#11 library %s", path)
	}
	return &library{ctx, list}, nil
}

// login logs the user in.
func (l *library) login(s pkcs11.SessionHandle, pin []byte) error {
	return failed("C_Login", code(C.login(l.list, C.ulong(s), (*C.uchar)(unsafe.SliceData(pin)), C.ulong(len(pin)))))
}

// twoCMACs replaces each block by its CMAC.
func (l *library) twoCMACs(s pkcs11.SessionHandle, key pkcs11.ObjectHandle, blocks *[2 * blockSize]byte) error {
	var out [2 * blockSize]byte
	r := C.two_cmacs(l.list, C.ulong(s), C.ulong(key), (*C.uchar)(&blocks[0]), (*C.uchar)(&out[0]))
	*blocks = out
	return failed("C_Sign", code(r))
}

// decrypt decrypts into memory of the caller, who wipes it, with a key that fits out.
func (l *library) decrypt(s pkcs11.SessionHandle, m *pkcs11.Mechanism, key pkcs11.ObjectHandle, in, out []byte) (int, error) {
	if err := l.DecryptInit(s, []*pkcs11.Mechanism{m}, key); err != nil {
		return 0, fail("C_DecryptInit", err)
	}
	n := C.ulong(len(out))
	r := C.decrypt(l.list, C.ulong(s), (*C.uchar)(unsafe.SliceData(in)), C.ulong(len(in)), (*C.uchar)(unsafe.SliceData(out)), &n)
	return int(n), failed("C_Decrypt", code(r))
}

// maxWrappedObject is the most that a wrapped key measures: the private half of an RSA pair of 4096
// bits takes some 2,400 bytes.
const maxWrappedObject = 8 << 10

// wrap wraps a key under another one.
func (l *library) wrap(s pkcs11.SessionHandle, by pkcs11.ObjectHandle, m uint, key pkcs11.ObjectHandle) ([]byte, error) {
	var out [maxWrappedObject]byte
	n := C.ulong(len(out))
	r := C.wrap_key(l.list, C.ulong(s), C.ulong(m), C.ulong(by), C.ulong(key), (*C.uchar)(&out[0]), &n)
	if r != 0 {
		return nil, failed("C_WrapKey", code(r))
	}
	return slices.Clone(out[:n]), nil
}

// nested is an attribute whose value is a template. PKCS#11 wants pointers in it, so that its memory
// is C's; the caller frees it when the call is over.
func nested(kind uint, template ...*pkcs11.Attribute) (*pkcs11.Attribute, func()) {
	var allocated []unsafe.Pointer
	list := make([]C.attribute, len(template))
	for i, a := range template {
		value := C.CBytes(a.Value)
		allocated = append(allocated, value)
		list[i] = C.attribute{C.ulong(a.Type), value, C.ulong(len(a.Value))}
	}
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(list))), len(list)*int(unsafe.Sizeof(C.attribute{})))
	free := func() {
		for _, p := range allocated {
			C.free(p)
		}
	}
	return pkcs11.NewAttribute(kind, slices.Clone(raw)), free
}

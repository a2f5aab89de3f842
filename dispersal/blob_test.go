package dispersal_test

import (
	"fmt"
	"testing"

	"strongroom/objects"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	r := newRig(t, 6, patient)
	for _, p := range []objects.Profile{fourOfSix, twoOfThree, {Name: "1 of 1", Data: 1, Total: 1, Write: 1}, {Name: "3 of 3", Data: 3, Total: 3, Write: 3}} {
		for _, size := range []int{1, 2, 3, 4, 5, segment - 1, segment, segment + 1, 7*segment - 1, 7 * segment} {
			t.Run(fmt.Sprintf("%s, %d bytes", p.Name, size), func(t *testing.T) {
				data := content(uint64(size), size)
				b := r.write(p, data)
				if b.Missing != 0 || b.Size != int64(size) || len(b.Nodes) != p.Total {
					t.Errorf("the blob is %+v", b)
				}
				r.wantRead(b.ID, data)
			})
		}
	}
}

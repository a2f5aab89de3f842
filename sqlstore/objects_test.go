package sqlstore_test

import (
	"testing"

	"strongroom/internal/lease"
	"strongroom/objects"
	"strongroom/objects/storetest"
)

func TestObjectStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Ground {
		db, hub := fresh(t)
		var announced []string
		hub.Watch(func(c lease.Change) {
			if !c.Pending {
				announced = append(announced, c.Scope+" "+c.ID)
			}
		}, objects.ChangeBucket)
		return storetest.Ground{
			Store: db.Objects(),
			Nodes: db.Nodes(),
			Forge: func(statement string, args ...any) {
				t.Helper()
				wantNil(t, db.Forge(t.Context(), statement, args...))
			},
			Recorded: func() (actions []string) {
				t.Helper()
				events, err := db.Outbox(t.Context(), 1_000)
				wantNil(t, err)
				for _, ev := range events {
					actions = append(actions, ev.Action)
				}
				return actions
			},
			Announced: func() []string { return announced },
		}
	})
}

package storetest

import (
	"testing"

	"strongroom/fault"
	"strongroom/objects"
)

func testNodes(t *testing.T, g Ground) {
	n := objects.Node{
		ID: "00000001", Name: "one", Site: "here", URL: "s3://bucket", CredentialsFile: "/etc/credentials",
		State: objects.NodeActive, Created: start(),
	}
	ok(t, g.Nodes.AddNode(t.Context(), n, event("add")))
	wantKind(t, "the same ID", g.Nodes.AddNode(t.Context(), n, nil), fault.Conflict)
	n.Revision = 1
	second := n
	second.ID = "00000002"
	wantKind(t, "the same name", g.Nodes.AddNode(t.Context(), second, event("taken")), fault.Conflict)
	second.Name = "two"
	ok(t, g.Nodes.AddNode(t.Context(), second, nil))
	wantSame(t, "all", must[[]objects.Node](t)(g.Nodes.Nodes(t.Context())), []objects.Node{n, second})

	second.Name = "one"
	wantKind(t, "taking a name", g.Nodes.UpdateNode(t.Context(), second, nil), fault.Conflict)
	n.State = objects.NodeLost
	ok(t, g.Nodes.UpdateNode(t.Context(), n, event("lost")))
	wantKind(t, "an old revision", g.Nodes.UpdateNode(t.Context(), n, event("stale")), fault.Stale)
	ok(t, g.Nodes.UpdateNode(t.Context(), second, nil)) // the name of a lost one is free
	n.State, n.Revision = objects.NodeActive, 2
	wantKind(t, "taking the name back", g.Nodes.UpdateNode(t.Context(), n, nil), fault.Conflict)
	n.ID, n.Name = "00000003", "three"
	wantKind(t, "no node", g.Nodes.UpdateNode(t.Context(), n, nil), fault.NotFound)
	wantEvents(t, g, "add", "lost")
}

package server

import (
	"slices"
	"testing"

	"strongroom/objects"
)

func nodesIn(sites ...string) (list []objects.Node) {
	for _, site := range sites {
		list = append(list, objects.Node{Site: site, State: objects.NodeActive})
	}
	return list
}

func TestProfilesFitTheNodes(t *testing.T) {
	for _, c := range []struct {
		nodes []objects.Node
		want  objects.Profile
	}{
		{nodesIn("a"), objects.Profile{Name: "1-of-1", Data: 1, Total: 1, Write: 1}},
		{nodesIn("a", "b"), objects.Profile{Name: "1-of-2", Data: 1, Total: 2, Write: 2}},
		{nodesIn("a", "a", "a", "a"), objects.Profile{Name: "2-of-3", Data: 2, Total: 3, Write: 3}},
		{nodesIn("a", "a", "a", "a", "a", "b"), objects.Profile{Name: "4-of-6", Data: 4, Total: 6, Write: 5, AllOrNothing: true}},
		{nodesIn(slices.Repeat([]string{"a"}, 13)...), objects.Profile{Name: "8-of-12", Data: 8, Total: 12, Write: 10}},
	} {
		list, choose := (&Objects{}).profiles(c.nodes)
		if list[0] != c.want || choose("us-south-standard") != c.want.Name {
			t.Errorf("%d nodes: %+v, want %+v", len(c.nodes), list[0], c.want)
		}
		// Buckets that were made with another number of nodes go on.
		for _, name := range []string{"1-of-1", "1-of-2", "2-of-3", "4-of-6", "8-of-12"} {
			if !slices.ContainsFunc(list, func(p objects.Profile) bool { return p.Name == name }) {
				t.Errorf("%d nodes: profile %s is missing", len(c.nodes), name)
			}
		}
	}
}

func TestProfilesAreChosenByLocation(t *testing.T) {
	no := false
	o := Objects{Profiles: []DispersalProfile{
		{Name: "wide", Locations: []string{"eu-*"}, Data: 8, Total: 12, Write: 9, AllOrNothing: &no},
		{Name: "vault", Locations: []string{"*-vault"}, Data: 10, Total: 16, Write: 12},
	}}
	_, choose := o.profiles(nodesIn("a", "b", "c"))
	for location, want := range map[string]string{
		"eu-de-standard": "wide", "us-south-vault": "vault", "eu-gb-vault": "wide", "us-south-standard": "2-of-3",
	} {
		if got := choose(location); got != want {
			t.Errorf("%s: %s, want %s", location, got, want)
		}
	}
}

func TestObjectsConfigurationIsChecked(t *testing.T) {
	for name, o := range map[string]Objects{
		"no data":      {Profiles: []DispersalProfile{{Name: "x", Total: 3}}},
		"small total":  {Profiles: []DispersalProfile{{Name: "x", Data: 3, Total: 2}}},
		"small write":  {Profiles: []DispersalProfile{{Name: "x", Data: 3, Total: 5, Write: 2}}},
		"pattern":      {Profiles: []DispersalProfile{{Name: "x", Data: 3, Total: 5, Locations: []string{"["}}}},
		"name twice":   {Nodes: []StorageNode{{Name: "a", URL: "file:///a"}, {Name: "a", URL: "file:///b"}}},
		"large embed":  {EmbedKiB: 2000},
		"no key file":  {KeyService: &KeyService{URL: "https://keys.example.com", Kind: "ibm"}},
		"unknown kind": {KeyService: &KeyService{URL: "https://keys.example.com", Kind: "other", APIKeyFile: "/k"}},
	} {
		if err := o.complete("/data"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	var o Objects
	if err := o.complete("/data"); err != nil || len(o.Nodes) != 6 || o.Nodes[5].URL != "file:///data/nodes/6" {
		t.Errorf("defaults: %+v, %v", o, err)
	}
}

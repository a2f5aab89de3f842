package objects_test

import (
	"errors"
	"strings"
	"testing"

	"strongroom/objects"
)

func TestBucketNames(t *testing.T) {
	for name, valid := range map[string]bool{
		"abc": true, "a-b": true, "a.b": true, "3com": true, "a--b": true, "1.2.3": true, "1.2.3.4.5": true, "1.2.3.x": true,
		"my.bucket.name": true, strings.Repeat("a", 63): true, "cosv1": true, "accounts-1": true, "a.-b": true,
		"": false, "ab": false, strings.Repeat("a", 64): false, "Abc": false, "a_b": false, "-abc": false, "abc-": false,
		".abc": false, "abc.": false, "a..b": false, "1.2.3.4": false, "999.999.999.999": false,
		"cosv1-x": false, "account-x": false, "büro": false, "a b": false, "a/b": false, "abc\n": false,
	} {
		if err := objects.CheckBucketName(name, false); (err == nil) != valid {
			t.Errorf("%q: %v, want valid %v", name, err, valid)
		} else if err != nil && !errors.Is(err, objects.ErrBucketName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := objects.CheckBucketName("a--b", true); !errors.Is(err, objects.ErrBucketName) {
		t.Errorf("a--b where names are strict: %v", err)
	}
}

func TestLocations(t *testing.T) {
	for constraint, valid := range map[string]bool{
		"us-south-standard": true, "eu-de-vault": true, "us-standard": true, "ap-cold": true, "ams03-smart": true,
		"jp-tok-flex": true, "in-che-standard": true, "us-south-onerate_active": true, "xx-abcde-standard": true, "us-east1-standard": true,
		"": false, "us-south": false, "us-east-1": false, "standard": false, "us-south-": false, "us-south-glacier": false,
		"usa-south-standard": false, "us-so-uth-standard": false, "US-south-standard": false, "ams3-standard": false,
		"us-southern-standard": false, "us-s-standard": false, "us-east12-standard": false, "-standard": false, "u-standard": false,
	} {
		if err := objects.CheckLocation(constraint); (err == nil) != valid {
			t.Errorf("%q: %v, want valid %v", constraint, err, valid)
		} else if err != nil && !errors.Is(err, objects.ErrLocation) {
			t.Errorf("%q: %v", constraint, err)
		}
	}
}

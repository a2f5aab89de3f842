package start_test

import (
	"os"
	"testing"

	"strongroom/test/process"
)

func TestMain(m *testing.M) { os.Exit(process.Main(m)) }

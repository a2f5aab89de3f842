package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"strongroom/custody"
	"strongroom/dispersal"
)

// Config is the configuration of a server. The field comments are the manual of
// the configuration file (YAML; an unknown field is an error). Every zero value
// works and is the default; what the file itself sets to 0 is none, or refused. Secrets are paths to files, never values.
type Config struct {
	// Data is the folder that holds everything the server must not forget. It
	// is given by the flag --data, never in the file.
	Data string `yaml:"-"`

	// Now is the clock, which never goes backwards. Default time.Now; it is not
	// in the file.
	Now func() time.Time `yaml:"-"`

	// Disperse changes how storage nodes are reached and looked after, for tests
	// that break them. It is not in the file.
	Disperse func(*dispersal.Config) `yaml:"-"`

	// acceptRollback is the operator's reason to go on with a database that is
	// older than what is remembered of it; empty refuses it.
	acceptRollback string

	// first says how the first masters are made, by the offline command that
	// prepares a deployment.
	first firstMasters
	// recovery is the recovery key of masters that were lost, while the offline
	// command brings their keys elsewhere.
	recovery *custody.Recovery

	// Listen is the address of the control APIs, "host:port"; port 0 takes a
	// free one. Default 127.0.0.1:8443.
	Listen string `yaml:"listen"`
	// S3Listen is the address of the S3 endpoint. Default 127.0.0.1:9443.
	S3Listen string `yaml:"s3_listen"`

	// PublicURL is how clients reach the control APIs, such as
	// https://keys.example.com, without a path. The issuer of access tokens is
	// made of it at the first start and never changes. Default: the listening
	// address.
	PublicURL string `yaml:"public_url"`
	// S3URL is how clients reach the S3 endpoint. Default: the listening address.
	S3URL string `yaml:"s3_url"`
	// S3Domain is the domain below which each bucket has a host name of its
	// own. Empty means that buckets are addressed by path only.
	S3Domain string `yaml:"s3_domain"`
	// WebsiteDomain is the domain below which buckets with a website configuration are served as
	// websites, to everybody. Empty serves none.
	WebsiteDomain string `yaml:"website_domain"`

	// Region is part of every CRN and fixed at the first start. Default us-south.
	Region string `yaml:"region"`
	// IBMIssuer makes tokens name IBM's own issuer, for clients that compare
	// the string. Fixed at the first start. Default false.
	IBMIssuer bool `yaml:"ibm_issuer"`

	TLS     TLS     `yaml:"tls"`
	Custody Custody `yaml:"custody"`
	Audit   Audit   `yaml:"audit"`
	Keys    Keys    `yaml:"keys"`
	Objects Objects `yaml:"objects"`
	Log     Log     `yaml:"log"`
}

// TLS says which certificate the server shows. With neither file set it issues
// its own from a certificate authority whose key is sealed in the database.
type TLS struct {
	CertFile string `yaml:"cert_file"` // PEM chain; read again when it changes
	KeyFile  string `yaml:"key_file"`  // PEM private key of CertFile
}

// Custody says which crypto modules keep the masters. Without anything, that is
// the embedded one, named "software", sealed by a key file inside the data
// folder: who copies the folder has the keys.
type Custody struct {
	PassphraseFile string `yaml:"passphrase_file"` // seals the embedded module; its content, without the final line break, is the passphrase
	KeyFile        string `yaml:"key_file"`        // seals the embedded module: 32 random bytes, made at the first start; best outside the data folder

	// Modules are crypto modules beside the embedded one.
	Modules []CryptoModule `yaml:"modules"`
	// Module is the name of the one in which the first masters are made. Default
	// software. Later on, strongroom custody migrate brings them elsewhere.
	Module string `yaml:"module"`

	// MasterDays is how many days the operator means to keep masters in use. By
	// it the date is shown at which purged keys will be shredded, and that of the
	// next rotation. Default 365.
	MasterDays int `yaml:"master_days"`
}

// CryptoModule is a crypto module beside the embedded one: a token, or another
// one in software, with a seal of its own.
type CryptoModule struct {
	Name     string    `yaml:"name"` // what the database calls it; never change it while masters are in it
	PKCS11   *PKCS11   `yaml:"pkcs11"`
	Software *Software `yaml:"software"`
}

// Software says what seals a crypto module in software, one of the two. Its
// masters are in the data folder, in masters-NAME.json.
type Software struct {
	PassphraseFile string `yaml:"passphrase_file"` // its content, without the final line break, is the passphrase
	KeyFile        string `yaml:"key_file"`        // 32 random bytes, made with the masters; best outside the data folder
}

// PKCS11 says which token a crypto module is, and how it is reached.
type PKCS11 struct {
	Library    string `yaml:"library"`     // absolute path of the vendor's PKCS#11 library
	Token      string `yaml:"token"`       // label of the token
	PINFile    string `yaml:"pin_file"`    // file with the PIN of its user, which only the owner can read
	Agent      string `yaml:"agent"`       // path of the program with PKCS#11; default this program
	Label      string `yaml:"label"`       // what the labels of our objects begin with; default strongroom
	Sessions   int    `yaml:"sessions"`    // with the token at a time; default 8
	CachedKeys int    `yaml:"cached_keys"` // unwrapped keys that the token keeps at hand; default 4096
	WrapPad    uint   `yaml:"wrap_pad"`    // number of the mechanism for AES key wrap with padding, if the vendor has its own
}

// Audit says how much of the audit log is kept, whichever limit is met first.
type Audit struct {
	RetentionDays int   `yaml:"retention_days"` // default 365
	RetentionMiB  int64 `yaml:"retention_mib"`  // default 10240
	SegmentMiB    int64 `yaml:"segment_mib"`    // size at which a segment is closed; default 64
	ReserveMiB    int64 `yaml:"reserve_mib"`    // free space that requests of unknown callers never use; default 64

	// Witness is a folder that keeps the newest signed head of the log, by which
	// a database and log that were both replaced by older copies are noticed at
	// the next start. It exists, and is best on another machine. Default: none.
	Witness string `yaml:"witness"`
}

// Keys holds the waits that Key Protect imposes. Most are off here. In the file 0 is no wait; in a Config, where
// zero means the default, -1 is.
type Keys struct {
	RotationWait time.Duration `yaml:"rotation_wait"` // least time between two rotations of a key; default 0, IBM's is 1h
	EnableWait   time.Duration `yaml:"enable_wait"`   // least time before a disabled key is enabled; default 0, IBM's is 30s
	RestoreWait  time.Duration `yaml:"restore_wait"`  // least time before a deleted key is restored; default 0, IBM's is 30s
	PurgeWait    time.Duration `yaml:"purge_wait"`    // least time before a deleted key is purged; default 4h, as IBM's
	SyncWait     time.Duration `yaml:"sync_wait"`     // least time between two notifications that somebody asks for; default 1h, as IBM's
}

// Log says how the server speaks to its operator, on standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error; default info
	Format string `yaml:"format"` // text or json; default text
}

// maxConfig bounds a configuration file, in bytes.
const maxConfig = 1 << 20

// LoadConfig reads a configuration file. The error names the field and the line.
func LoadConfig(path string) (Config, error) {
	var c Config
	f, err := os.Open(path)
	if err != nil {
		return c, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return c, fmt.Errorf("reading the configuration: %w", err)
	}
	if len(text) > maxConfig {
		return c, fmt.Errorf("configuration %s is larger than 1 MiB", path)
	}
	return parseConfig(path, text)
}

func parseConfig(path string, text []byte) (Config, error) {
	var c Config
	decoder := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	err := decoder.Decode(&c)
	if errors.Is(err, io.EOF) { // an empty file is a configuration of defaults
		if !empty(text) { // the decoder sees nothing of what follows an empty document
			return c, fmt.Errorf("configuration %s: it begins with an empty YAML document; remove the first line ---", path)
		}
		return c, nil
	}
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			return c, fmt.Errorf("configuration %s, line %d: %s", path, at.GetToken().Position.Line, at.GetMessage())
		}
		if field, line := quotedField(text, err); line > 0 {
			return c, fmt.Errorf("configuration %s, line %d: %s: %w", path, line, field, err)
		}
		return c, fmt.Errorf("configuration %s: %w", path, err)
	}
	var more any
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("configuration %s: only one YAML document may be in it; what follows a line --- would not be used", path)
	}
	if err := c.heedZeros(text); err != nil {
		return c, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// empty reports whether a YAML text has nothing but comments and marks of documents.
func empty(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && line[0] != '%' && !slices.Contains([]string{"---", "..."}, string(line)) {
			return false
		}
	}
	return true
}

// quotedField returns the name and line of the field whose value an error quotes: of a duration that is none, the
// decoder says no more than that.
func quotedField(text []byte, err error) (field string, line int) {
	file, parseErr := parser.ParseBytes(text, 0)
	if parseErr != nil {
		return "", 0
	}
	q := quoted{in: err.Error()}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			ast.Walk(&q, doc.Body)
		}
	}
	return q.field, q.line
}

// quoted finds the first text that is quoted somewhere.
type quoted struct {
	in    string
	field string
	line  int
}

// Visit implements ast.Visitor.
func (q *quoted) Visit(n ast.Node) ast.Visitor {
	if s, ok := n.(*ast.StringNode); ok && q.line == 0 && strings.Contains(q.in, strconv.Quote(s.Value)) {
		q.field, q.line = strings.TrimPrefix(s.GetPath(), "$."), s.GetToken().Position.Line
	}
	return q
}

// Check refuses what cannot work, as Open will, so that a mistake in the
// configuration can be told from a failure.
func (c Config) Check() error { return c.complete() }

// complete fills in the defaults and refuses what cannot work.
func (c *Config) complete() error {
	if c.Data == "" {
		return errors.New("no data folder given; use --data DIR")
	}
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	c.Data = data
	if c.Now == nil {
		c.Now = time.Now
	}
	def(&c.Listen, "127.0.0.1:8443")
	def(&c.S3Listen, "127.0.0.1:9443")
	def(&c.Region, "us-south")
	def(&c.Custody.Module, softwareModule)
	def(&c.Custody.MasterDays, 365)
	def(&c.Audit.RetentionDays, 365)
	def(&c.Audit.RetentionMiB, 10240)
	def(&c.Audit.SegmentMiB, 64)
	def(&c.Audit.ReserveMiB, 64)
	def(&c.Keys.PurgeWait, 4*time.Hour)
	def(&c.Keys.SyncWait, time.Hour)
	def(&c.Log.Level, "info")
	def(&c.Log.Format, "text")
	return errors.Join(
		address("listen", c.Listen), address("s3_listen", c.S3Listen),
		origin("public_url", c.PublicURL), origin("s3_url", c.S3URL),
		domain("s3_domain", c.S3Domain), domain("website_domain", c.WebsiteDomain),
		pair("tls.cert_file", c.TLS.CertFile, "tls.key_file", c.TLS.KeyFile),
		exclusive("custody.passphrase_file", c.Custody.PassphraseFile, "custody.key_file", c.Custody.KeyFile),
		c.Custody.check(), positive("custody.master_days", int64(c.Custody.MasterDays)),
		c.Objects.complete(c.Data),
		name("region", c.Region), positive("audit.retention_days", int64(c.Audit.RetentionDays)),
		positive("audit.retention_mib", c.Audit.RetentionMiB), positive("audit.segment_mib", c.Audit.SegmentMiB),
		positive("audit.reserve_mib", c.Audit.ReserveMiB), positive("keys.rotation_wait", int64(c.Keys.RotationWait)),
		positive("keys.enable_wait", int64(c.Keys.EnableWait)), positive("keys.restore_wait", int64(c.Keys.RestoreWait)),
		atLeast("keys.purge_wait", none, int64(c.Keys.PurgeWait)), atLeast("keys.sync_wait", none, int64(c.Keys.SyncWait)),
		oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error"),
		oneOf("log.format", c.Log.Format, "text", "json"),
	)
}

// check refuses modules that cannot be told apart or are not fully described.
func (c *Custody) check() error {
	seen := map[string]bool{softwareModule: true}
	for i, m := range c.Modules {
		field := fmt.Sprintf("custody.modules[%d]", i)
		if m.Name == "" {
			return fmt.Errorf("%s.name: is missing", field)
		}
		if err := name(field+".name", m.Name); err != nil {
			return err
		}
		if seen[m.Name] {
			return fmt.Errorf("%s.name: there is a module %q already", field, m.Name)
		}
		seen[m.Name] = true
		if err := m.check(field); err != nil {
			return err
		}
	}
	if !seen[c.Module] {
		return fmt.Errorf("custody.module: %q is neither %q nor one of custody.modules", c.Module, softwareModule)
	}
	return nil
}

func (m CryptoModule) check(field string) error {
	p, soft := m.PKCS11, m.Software
	switch {
	case (p == nil) == (soft == nil):
		return fmt.Errorf("%s: what kind of module it is, has to be said once: set pkcs11 or software", field)
	case soft != nil && (soft.PassphraseFile == "") == (soft.KeyFile == ""):
		return fmt.Errorf("%s.software: set passphrase_file or key_file, and not both", field)
	case soft != nil:
		return nil
	case !filepath.IsAbs(p.Library):
		return fmt.Errorf("%s.pkcs11.library: %q is not an absolute path", field, p.Library)
	case p.Token == "" || p.PINFile == "":
		return fmt.Errorf("%s.pkcs11: token and pin_file have to be set", field)
	case p.Sessions < 0 || p.CachedKeys < 0:
		return fmt.Errorf("%s.pkcs11: sessions and cached_keys must not be negative", field)
	}
	return nil
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func address(field, value string) error {
	if _, _, err := net.SplitHostPort(value); err != nil {
		return fmt.Errorf("%s: %q is not host:port", field, value)
	}
	return nil
}

func origin(field, value string) error {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("%s: %q is not an https URL of scheme and host alone, such as https://keys.example.com", field, value)
	}
	return nil
}

// domainForm is what the hosts of requests are compared with.
var domainForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

func domain(field, value string) error {
	if value != "" && (net.ParseIP(value) != nil || !domainForm.MatchString(value)) {
		return fmt.Errorf("%s: %q is not the name of a domain in lower case, such as s3.example.com", field, value)
	}
	return nil
}

func pair(a, av, b, bv string) error {
	if (av == "") != (bv == "") {
		return fmt.Errorf("%s and %s belong together: set both or neither", a, b)
	}
	return nil
}

func exclusive(a, av, b, bv string) error {
	if av != "" && bv != "" {
		return fmt.Errorf("%s and %s exclude each other", a, b)
	}
	return nil
}

func positive(field string, v int64) error { return atLeast(field, 0, v) }

func atLeast(field string, least, v int64) error {
	if v < least {
		return fmt.Errorf("%s: must not be negative", field)
	}
	return nil
}

func name(field, v string) error {
	if len(v) > 64 || strings.Trim(v, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("%s: %q may only hold lower-case letters, digits and hyphens", field, v)
	}
	return nil
}

func oneOf(field, v string, allowed ...string) error {
	for _, a := range allowed {
		if v == a {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is none of %s", field, v, strings.Join(allowed, ", "))
}

// logger makes the operator's log.
func (c *Config) logger(to io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log.Level)) // checked by complete
	o := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, o))
	}
	return slog.New(slog.NewTextHandler(to, o))
}

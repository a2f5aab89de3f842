package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"strongroom/custody"
)

// importTokenPath is where an instance's import token is made and retrieved.
const importTokenPath = "/api/v2/import_token"

// transportAlgorithm is how material is encrypted under an import token.
const transportAlgorithm = "RSAES_OAEP_SHA_256"

// importToken is an import token as the server gives it, and as it is kept in a file: what a machine
// that never meets the server needs to encrypt key material.
type importToken struct {
	Created   string `json:"creationDate,omitempty"`
	Expires   string `json:"expirationDate"`
	Max       int    `json:"maxAllowedRetrievals,omitempty"`
	Remaining int    `json:"remainingRetrievals"`
	Payload   []byte `json:"payload"` // PEM block of the public key
	Nonce     []byte `json:"nonce"`
}

// broughtMaterial is key material in a request: in the clear, or encrypted under an import token.
type broughtMaterial struct {
	Payload   []byte `json:"payload,omitempty"`
	Nonce     []byte `json:"encryptedNonce,omitempty"`
	IV        []byte `json:"iv,omitempty"`
	Algorithm string `json:"encryptionAlgorithm,omitempty"`
}

// prepared is encrypted key material as it is kept in a file. It is no secret.
type prepared struct {
	broughtMaterial
	CheckValue string `json:"checkValue"`
	Expires    string `json:"expirationDate"` // of the import token
}

// seal encrypts material under the token.
func (t importToken) seal(material []byte) (prepared, error) {
	block, _ := pem.Decode(t.Payload)
	if block == nil {
		return prepared{}, errors.New("the import token holds no public key")
	}
	secret := custody.NewSecret(material)
	defer secret.Wipe()
	id, err := custody.IdentifySecret(secret)
	if err != nil {
		return prepared{}, err
	}
	in, err := custody.SealTransported(block.Bytes, t.Nonce, secret)
	if err != nil {
		return prepared{}, fmt.Errorf("encrypting the material: %w", err)
	}
	return prepared{
		broughtMaterial: broughtMaterial{
			Payload: in.Material, Nonce: in.SealedNonce, IV: in.IV[:], Algorithm: transportAlgorithm,
		},
		CheckValue: id.CheckValue(), Expires: t.Expires,
	}, nil
}

// fresh makes and retrieves an import token. It takes the place of one that another import may be
// using: a token can be retrieved once, and only for as long as it is needed here.
func (s *keyService) fresh(ctx context.Context, lifetime time.Duration, retrievals int) (importToken, error) {
	body := map[string]any{}
	if lifetime > 0 {
		body["expiration"] = int(lifetime / time.Second)
	}
	if retrievals > 0 {
		body["maxAllowedRetrievals"] = retrievals
	}
	var token importToken
	err := s.call(ctx, request{method: http.MethodPost, path: importTokenPath, body: body}, nil)
	if err == nil {
		err = s.call(ctx, request{method: http.MethodGet, path: importTokenPath}, &token)
	}
	if err != nil {
		return importToken{}, fmt.Errorf("getting an import token: %w", err)
	}
	return token, nil
}

func newImportTokenCommand(p *program, instance *string) *cobra.Command {
	var (
		out        string
		lifetime   time.Duration
		retrievals int
	)
	cmd := &cobra.Command{
		Use:   "import-token --out FILE",
		Short: "Make an import token, to encrypt key material on another machine",
		Long: "Make an import token, the public key to which key material is encrypted before it leaves the place\n" +
			"where it was made. Only the server's crypto module can decrypt it. An instance has one token: a new\n" +
			"one takes the place of the one before.",
		Example: "  strongroom key import-token --lifetime 4h --out token.json       # beside the server\n" +
			"  strongroom key prepare --token-file token.json --material-file key.bin --out prepared.json   # anywhere\n" +
			"  strongroom key import payments --prepared-file prepared.json     # beside the server",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.keyService(cmd.Context(), *instance)
			if err != nil {
				return err
			}
			token, err := s.fresh(cmd.Context(), lifetime, retrievals)
			if err != nil {
				return err
			}
			if err := p.writeJSONFile(out, token); err != nil || out == standard {
				return err
			}
			return p.done("the import token expires on %s", token.Expires)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&out, "out", standard, "`FILE` to write the token to, or - for standard output")
	flags.DurationVar(&lifetime, "lifetime", 0, "how long material can be imported under it, 5m to 24h (default 10m)")
	flags.IntVar(&retrievals, "retrievals", 0, "how often it can be retrieved, this time included, 1 to 500 (default 1)")
	return cmd
}

func newKeyPrepareCommand(p *program) *cobra.Command {
	var tokenFile, material, out string
	cmd := &cobra.Command{
		Use:   "prepare --token-file FILE --material-file FILE --out FILE",
		Short: "Encrypt key material under an import token, without a server",
		Long: "Encrypt the material of a root key under an import token. It needs no server, so that it can be done\n" +
			"on a machine without a network; what it writes is no secret, and is imported with\n" +
			"\"strongroom key import --prepared-file\" until the token expires. It prints the check value, which the\n" +
			"server shows of the key that was imported.",
		Args: arguments(),
		RunE: func(_ *cobra.Command, _ []string) error {
			var token importToken
			if err := p.readJSON(tokenFile, "--token-file", &token); err != nil {
				return err
			}
			key, err := p.readMaterial(material, false)
			if err != nil {
				return err
			}
			sealed, err := token.seal(key)
			if err != nil {
				return err
			}
			if err := p.writeJSONFile(out, sealed); err != nil || out == standard {
				return err
			}
			return p.done("check value %s", sealed.CheckValue)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&tokenFile, "token-file", "", "`FILE` with the import token (required)")
	flags.StringVar(&material, "material-file", "", "`FILE` with the material, or - for standard input (required)")
	flags.StringVar(&out, "out", standard, "`FILE` to write the encrypted material to, or - for standard output")
	return cmd
}

// materialFlags say where the material of a key is, and how it comes to the server.
type materialFlags struct {
	file     string
	secure   bool
	prepared string
}

func (f *materialFlags) register(cmd *cobra.Command, what string) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "material-file", "", "`FILE` with "+what+", or - for standard input")
	flags.BoolVar(&f.secure, "secure", false, "encrypt the material under an import token before it leaves this machine")
	flags.StringVar(&f.prepared, "prepared-file", "", "`FILE` with material that \"strongroom key prepare\" has encrypted, instead of --material-file")
}

// given reports whether material is to be sent.
func (f *materialFlags) given() bool { return f.file != "" || f.prepared != "" || f.secure }

// read returns the material as it is sent, and its check value if that is known.
func (f *materialFlags) read(cmd *cobra.Command, p *program, instance string, extractable bool) (broughtMaterial, string, error) {
	var sealed prepared
	switch {
	case f.prepared != "" && (f.secure || f.file != ""):
		return broughtMaterial{}, "", usageErrorf("--prepared-file holds the material already: leave out --secure and --material-file")
	case extractable && (f.secure || f.prepared != ""):
		return broughtMaterial{}, "", usageErrorf("a standard key cannot be imported under an import token")
	case f.prepared != "":
		err := p.readJSON(f.prepared, "--prepared-file", &sealed)
		return sealed.broughtMaterial, sealed.CheckValue, err
	}
	material, err := p.readMaterial(f.file, extractable)
	if err != nil || !f.secure {
		return broughtMaterial{Payload: material}, "", err
	}
	s, err := p.keyService(cmd.Context(), instance)
	if err != nil {
		return broughtMaterial{}, "", err
	}
	token, err := s.fresh(cmd.Context(), 0, 0)
	if err == nil {
		sealed, err = token.seal(material)
	}
	return sealed.broughtMaterial, sealed.CheckValue, err
}

// checkImported says whether the server has the material that was meant.
func checkImported(want, got string) error {
	if want != "" && got != want {
		return withHint(fmt.Errorf("the server shows the check value %q of the new key, not %q", got, want),
			"do not use the key: it has other material than yours")
	}
	return nil
}

// readJSON reads a file that another command has written.
func (p *program) readJSON(file, flag string, v any) error {
	if file == "" {
		return usageErrorf("%s is required", flag)
	}
	data, err := p.readSecret(file)
	if err != nil {
		return err
	}
	if json.Unmarshal(data, v) != nil {
		return fmt.Errorf("%s is not what %s takes", file, flag)
	}
	return nil
}

// writeJSONFile writes what another command will read to a file, or to standard output for "-".
func (p *program) writeJSONFile(file string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", file, err)
	}
	out, err := p.createSecret(file)
	if err != nil {
		return err
	}
	defer out.discard()
	return out.writeSecret(append(data, '\n'))
}

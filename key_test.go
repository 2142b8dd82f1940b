package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestParseKeyNamesWhatIsWrong covers each kind of text that is not a key. Nothing of the text is
// shown.
func TestParseKeyNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	const start = "does not start with mic_"
	const inside = "is not mic_, letters or digits, _ and a secret"
	const bad = "has a space, line break, control or non-ASCII character at position "
	for _, test := range []struct {
		wrong string
		texts []string
	}{
		{"is empty", []string{"", " \t\r\n\uFEFF\n"}},
		{start, []string{"canary", `"mic_d60bea1d_canary"`, "MICROTICA_TOKEN=mic_d60bea1d_canary",
			"X-Microtica-Api-Key: mic_d60bea1d_canary", "/run/secrets/canary", "$MICROTICA_TOKEN",
			"MIC_d60bea1d_canary", "m\x00i\x00c\x00_\x00", strings.Repeat("x", 1001)}},
		{"is longer than 1000 bytes", []string{"mic_d_" + strings.Repeat("x", 995)}},
		{"is the documentation's placeholder", []string{
			"mic_…", "mic_...", "mic_<prefix>_<secret>"}},
		{bad + "8", []string{"mic_d60\nbea1d_canary", "mic_d60\rbea1d_ä"}},
		{bad + "17", []string{"mic_d60bea1d_can ary", "mic_d60bea1d_can\tary",
			"mic_d60bea1d_can\x7fary"}},
		{bad + "14", []string{"mic_d60bea1d_\xff", "mic_d60bea1d_\u0080", "mic_d60bea1d_é"}},
		{inside, []string{"mic_", "mic__canary", "mic_d60-bea_canary", "mic_<canary"[:4] + "-<"}},
		{"is only the prefix that the console lists, not the whole key", []string{
			"mic_d60bea1d", "mic_d60bea1d_"}},
	} {
		for _, text := range test.texts {
			_, err := parseKey(text, "SOURCE")
			want := "the API key from SOURCE " + test.wrong
			if err == nil || err.Error() != want || codeOf(err) != codeAuthMalformed {
				t.Errorf("%.40q: got %v, want %s", text, err, want)
			} else if strings.Contains(err.Error()+asFailure(err).hint, "canary") {
				t.Errorf("%q is shown: %v", text, err)
			}
		}
	}
}

// TestParseKeyTrims accepts the longest key, and what may surround a key.
func TestParseKeyTrims(t *testing.T) {
	t.Parallel()
	longest := "mic_d_" + strings.Repeat("!", 993) + "~"
	for text, want := range map[string]string{
		"mic_d60bea1d_x":                    "mic_d60bea1d_x",
		"\uFEFF \t\nmic_a_b_c-\u00A0\r\n\n": "mic_a_b_c-",
		longest + "\r\n":                    longest,
	} {
		if k, err := parseKey(text, ""); err != nil || k.raw() != want {
			t.Errorf("%.40q is not taken: %v", text, err)
		}
	}
}

// TestKeyPrintsAsItsPrefix tries every way in which package fmt could print a key.
func TestKeyPrintsAsItsPrefix(t *testing.T) {
	t.Parallel()
	k, _ := parseKey("mic_d60bea1d_canary", "")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T%[1]s"} {
		for _, v := range []any{k, &k, struct{ k key }{k}, []key{k}} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, "canary") || strings.Contains(text, "63616e617279") {
				t.Errorf("%s of %T shows the key: %s", verb, v, text)
			}
		}
	}
	if text := fmt.Sprintf("%v %d", k, k); text != "mic_d60bea1d mic_d60bea1d" {
		t.Errorf("a key is printed as %s", text)
	}
}

// TestRedactShortensWhatIsShapedLikeAKey covers what begins a key and what ends it.
func TestRedactShortensWhatIsShapedLikeAKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "",
		"mic_a_b":                             "mic_a_…",
		"'mic_a_b', mic_c_d\tmic_e_f_g\n":     "'mic_a_… mic_c_…\tmic_e_…\n",
		"https://x/mic_a_b/c?d\u2028e":        "https://x/mic_a_…\u2028e",
		"_mic_a_b mic_é1_b -mic_a_":           "_mic_a_… mic_é1_… -mic_a_",
		"mic_a_…":                             "mic_a_…",
		"mic_mic_a_b":                         "mic_mic_…",
		"dynamic_web_x émic_a_b 1mic_a_b":     "dynamic_web_x émic_a_b 1mic_a_b",
		"mic_ mic_a mic_a-b_c mic__c MIC_a_b": "mic_ mic_a mic_a-b_c mic__c MIC_a_b",
	} {
		if got := redact(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// TestMaskHidesTheKeyAndItsSecretPart covers the parts that may stand alone in an answer.
func TestMaskHidesTheKeyAndItsSecretPart(t *testing.T) {
	t.Parallel()
	long, short := "mic_a_12345678", "mic_a_1234567"
	for _, test := range []struct{ key, text, want string }{
		{long, "xmic_a_12345678y12345678z", "xmic_a_…ymic_a_…z"},
		{long, "mic_b_1234567 MIC_A_1234567", "mic_b_1234567 MIC_A_1234567"},
		{short, "mic_a_1234567 1234567", "mic_a_… 1234567"},
		{`mic_a_"\secret"`, `say mic_a_"\secret" and "\secret"`, "say mic_a_… and mic_a_…"},
		{"mic_aaaaaaaa_aaaaaaaa", "mic_aaaaaaaa_aaaaaaaa", "mic_mic_aaaaaaaa_…_…"},
	} {
		if got := (key{&test.key}).mask(test.text); got != test.want {
			t.Errorf("%q becomes %q, want %q", test.text, got, test.want)
		}
	}
	if got := (key{}).mask("mic_a_b"); got != "mic_a_b" {
		t.Errorf("without a key, text becomes %q", got)
	}
}

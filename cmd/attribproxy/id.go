package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/attribution"
)

// registrationURL is Microsoft's article on customer usage attribution.
const registrationURL = "https://learn.microsoft.com/partner-center/marketplace-offers/azure-partner-customer-usage-attribution"

// maxNewIDs is far more than a partner has offers, and far less than what a
// mistyped number would print.
const maxNewIDs = 1000

// idCommand groups what there is to do with tracking IDs by themselves.
func (a *app) idCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "id",
		Short: "Make and check tracking IDs",
		Long: `A tracking ID says whose software a deployment belongs to. There are two
shapes: a GUID that you register in Partner Center, and the ID that Partner
Center makes for a commercial marketplace offer, which ends in -partnercenter.`,
		Example: `  attribproxy id new
  attribproxy id check 3f2504e0-4f89-41d3-9a0c-0305e82c3301`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.idNewCommand(), a.idCheckCommand())
	return cmd
}

func (a *app) idNewCommand() *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a tracking ID, and say how to register it",
		Long: `Makes a random GUID (version 4) and prints it as a tracking ID on stdout. What
has to be done before it counts, registering it in Partner Center, is printed on
stderr.

A commercial marketplace offer needs no ID of your own: Partner Center shows the
one it made.`,
		Example: `  attribproxy id new
  ID=$(attribproxy id new)
  attribproxy id new --count 3 --output json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			asJSON, err := a.wantJSON()
			if err != nil {
				return err
			}
			if count < 1 || count > maxNewIDs {
				return usageError(fmt.Sprintf("give a number from 1 to %d", maxNewIDs), "--count %d is out of range", count)
			}
			return a.idNew(rand.Reader, count, asJSON)
		},
	}
	cmd.Flags().IntVar(&count, "count", 1, "how many IDs to make")
	return cmd
}

// newID is one made ID, in JSON.
type newID struct {
	ID   string `json:"id"`   // with pid-, as it stands in a User-Agent
	GUID string `json:"guid"` // without, as Partner Center and Terraform take it
}

func (a *app) idNew(random io.Reader, count int, asJSON bool) error {
	ids := make([]newID, 0, count)
	for range count {
		guid, err := uuid.NewRandomFromReader(random)
		if err != nil {
			return fmt.Errorf("making a random GUID: %w", err)
		}
		id, err := attribution.ParseID(guid.String())
		if err != nil {
			return fmt.Errorf("making a tracking ID: %w", err)
		}
		ids = append(ids, newID{ID: id.Token(), GUID: id.Body()})
	}
	if asJSON {
		return printJSON(a.stdout, struct {
			IDs          []newID  `json:"ids"`
			Registration []string `json:"registration"`
			Article      string   `json:"article"`
		}{ids, registrationSteps(""), registrationURL})
	}
	for _, id := range ids {
		if _, err := fmt.Fprintln(a.stdout, id.ID); err != nil {
			return fmt.Errorf("printing the ID: %w", err)
		}
	}
	what := ids[0].GUID
	if count > 1 {
		what = "each GUID"
	}
	a.say("nobody is credited before the GUID is registered in Partner Center:")
	for i, step := range registrationSteps(what) {
		fmt.Fprintf(a.stderr, "  %d. %s\n", i+1, step)
	}
	a.hint("see %s", registrationURL)
	return nil
}

// registrationSteps say how a GUID is registered.
func registrationSteps(guid string) []string {
	if guid == "" {
		guid = "the GUID"
	}
	return []string{
		"sign in at https://partner.microsoft.com and open Account settings, Organization profile, Identifiers",
		"choose Add Tracking GUID and enter " + guid + ", without pid-",
		"describe the offer that it stands for, and save",
		"tell your customers that their use is tracked, and offer them a way out ('exclude' in the config)",
	}
}

func (a *app) idCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check ID...",
		Short: "Say what is wrong with tracking IDs",
		Long: `Checks the form of tracking IDs, with or without pid-, and names each fault with
its remedy. It cannot know whether an ID is registered: only Partner Center does.

Exits with 3 if an ID is malformed. Sample and default IDs are warned about.`,
		Example: `  attribproxy id check 3f2504e0-4f89-41d3-9a0c-0305e82c3301
  attribproxy id check pid-contoso-offer-partnercenter --output json`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			asJSON, err := a.wantJSON()
			if err != nil {
				return err
			}
			return a.idCheck(args, asJSON)
		},
	}
}

// checkedID is what there is to say about one ID, in JSON.
type checkedID struct {
	Value    string           `json:"value"`
	Valid    bool             `json:"valid"`
	ID       string           `json:"id,omitempty"` // with pid-
	Form     attribution.Form `json:"form,omitempty"`
	Faults   []idFault        `json:"faults,omitempty"`
	Warnings []string         `json:"warnings,omitempty"`
	// Suggestion is the valid ID that this is after its faults are mended.
	Suggestion string `json:"suggestion,omitempty"`
}

type idFault struct {
	Code   attribution.IDFault `json:"code"`
	Fault  string              `json:"fault"`
	Remedy string              `json:"remedy"`
}

func (a *app) idCheck(values []string, asJSON bool) error {
	checked, bad := make([]checkedID, 0, len(values)), 0
	for _, value := range values {
		c := checkID(value)
		if !c.Valid {
			bad++
		}
		checked = append(checked, c)
	}
	if asJSON {
		err := printJSON(a.stdout, struct {
			IDs []checkedID `json:"ids"`
		}{checked})
		if err != nil {
			return err
		}
	} else {
		for _, c := range checked {
			if _, err := io.WriteString(a.stdout, clean(c.text())); err != nil {
				return fmt.Errorf("printing the result: %w", err)
			}
		}
	}
	if bad == 0 {
		return nil
	}
	hint := "copy the ID again from Partner Center; 'attribproxy id new' makes a GUID to register"
	if len(checked) == 1 {
		return checkFailed(hint, "the tracking ID is malformed")
	}
	return checkFailed(hint, "%d of %d tracking IDs are malformed", bad, len(checked))
}

func checkID(value string) checkedID {
	c := checkedID{Value: value}
	if id, err := attribution.ParseID(value); err == nil {
		c.Valid, c.ID, c.Form, c.Warnings = true, id.Token(), id.Form(), id.Warnings()
		return c
	}
	for _, f := range attribution.IDFaults(value) {
		c.Faults = append(c.Faults, idFault{Code: f.Code, Fault: f.Fault, Remedy: f.Remedy})
		c.Suggestion = f.Suggestion
	}
	return c
}

// text is what people read.
func (c checkedID) text() string {
	var b strings.Builder
	if c.Valid {
		form := "a GUID"
		if c.Form == attribution.FormMarketplace {
			form = "a commercial marketplace ID"
		}
		fmt.Fprintf(&b, "%s: well-formed, %s\n", c.ID, form)
		for _, w := range c.Warnings {
			fmt.Fprintf(&b, "  warning: %s\n", w)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%q: malformed\n", c.Value)
	for _, f := range c.Faults {
		fmt.Fprintf(&b, "  it %s\n    %s\n", f.Fault, f.Remedy)
	}
	if c.Suggestion != "" {
		fmt.Fprintf(&b, "  perhaps you mean %s\n", c.Suggestion)
	}
	return b.String()
}

package logfile

import "log/slog"

// Outage tells a log when something that is written again and again, such as a log file, cannot be written, and when it
// can be again: once each, however often it is tried. It is not safe for concurrent use.
type Outage struct {
	What string // what is written, in the plural, such as "requests"
	Log  *slog.Logger

	failing bool
}

// Report gets the result of each attempt.
func (o *Outage) Report(err error) {
	switch {
	case err != nil && !o.failing:
		o.Log.Warn(o.What+" are not written, which is tried again", "err", err)
	case err == nil && o.failing:
		o.Log.Warn(o.What + " are written again")
	}
	o.failing = err != nil
}

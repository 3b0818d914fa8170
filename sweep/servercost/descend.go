package servercost

import "math"

// steps of the numeric derivatives: a share of the value and at least an amount, in ms or as a
// share.
const (
	stepShare  = .1
	stepAmount = .02
)

// jacobian returns the derivatives of the residuals, by parameter.
func (f *fitter) jacobian(p params, at []float64) ([paramCount][]float64, error) {
	var out [paramCount][]float64
	for k := range p {
		moved := p
		h := max(stepShare*math.Abs(p[k]), stepAmount)
		moved[k] += h
		r, err := f.residuals(moved)
		if err != nil {
			return out, err
		}
		for i := range r {
			r[i] = (r[i] - at[i]) / h
		}
		out[k] = r
	}
	return out, nil
}

// normal returns J'J and J'r.
func normal(j [paramCount][]float64, r []float64) (m [paramCount][paramCount]float64, v params) {
	for a := range j {
		for b := range j {
			for i := range r {
				m[a][b] += j[a][i] * j[b][i]
			}
		}
		for i := range r {
			v[a] += j[a][i] * r[i]
		}
	}
	return m, v
}

// descend minimizes the sum of squares by the method of Levenberg and Marquardt, whose
// parameters stay in their bounds.
func (f *fitter) descend(p params) (params, error) {
	const iterations, enough = 12, .002
	p = p.bounded()
	r, err := f.residuals(p)
	if err != nil {
		return p, err
	}
	damping := .01
	for range iterations {
		j, err := f.jacobian(p, r)
		if err != nil {
			return p, err
		}
		m, v := normal(j, r)
		before := sumOfSquares(r)
		improved := false
		for range 5 {
			next, ok := move(p, m, v, damping)
			if ok {
				trial, err := f.residuals(next)
				if err != nil {
					return p, err
				}
				if s := sumOfSquares(trial); s < before {
					p, r, improved = next, trial, true
					damping = max(damping/5, 1e-4)
					break
				}
			}
			damping *= 5
		}
		if !improved || sumOfSquares(r) > (1-enough)*before {
			break
		}
	}
	return p, nil
}

// move returns p after a damped step. Parameters at a bound that would leave it are kept.
func move(p params, m [paramCount][paramCount]float64, v params, damping float64) (params, bool) {
	var free []int
	for k := range p {
		if k < paramBackground || p[k] > 0 || v[k] < 0 { // v > 0 would move it down
			free = append(free, k)
		}
	}
	n := len(free)
	a, b := make([][]float64, n), make([]float64, n)
	for i, k := range free {
		a[i] = make([]float64, n)
		for j, l := range free {
			a[i][j] = m[k][l]
		}
		a[i][i] += damping*m[k][k] + 1e-6
		b[i] = -v[k]
	}
	x, ok := solve(a, b)
	if !ok {
		return p, false
	}
	for i, k := range free {
		p[k] += x[i]
	}
	return p.bounded(), true
}

// solve solves a x = b by Gauss elimination, and changes both; false if a is singular.
func solve(a [][]float64, b []float64) ([]float64, bool) {
	n := len(b)
	for c := range n {
		pivot := c
		for r := c + 1; r < n; r++ {
			if math.Abs(a[r][c]) > math.Abs(a[pivot][c]) {
				pivot = r
			}
		}
		if math.Abs(a[pivot][c]) < 1e-12 {
			return nil, false
		}
		a[c], a[pivot], b[c], b[pivot] = a[pivot], a[c], b[pivot], b[c]
		for r := c + 1; r < n; r++ {
			q := a[r][c] / a[c][c]
			for k := c; k < n; k++ {
				a[r][k] -= q * a[c][k]
			}
			b[r] -= q * b[c]
		}
	}
	x := make([]float64, n)
	for r := n - 1; r >= 0; r-- {
		x[r] = b[r]
		for k := r + 1; k < n; k++ {
			x[r] -= a[r][k] * x[k]
		}
		x[r] /= a[r][r]
	}
	return x, true
}

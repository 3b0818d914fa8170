package gaussian

import "math"

// Cholesky is the factor L of a symmetric positive definite matrix, which is L times its transpose.
type Cholesky [][]float64 // the lower triangle, row by row

// smallestPivot replaces pivots that rounding has made 0 or negative.
const smallestPivot = 1e-12

// Factor returns the factor of the n x n matrix whose lower triangle at returns.
func Factor(n int, at func(i, j int) float64) Cholesky {
	l := make(Cholesky, n)
	for i := range l {
		l[i] = make([]float64, i+1)
		for j := range l[i] {
			v := at(i, j)
			for k := range j {
				v -= l[i][k] * l[j][k]
			}
			if i == j {
				l[i][i] = math.Sqrt(max(v, smallestPivot))
			} else {
				l[i][j] = v / l[j][j]
			}
		}
	}
	return l
}

// Solve returns x of M x = b.
func (l Cholesky) Solve(b []float64) []float64 {
	x := l.SolveLower(b)
	for i := len(x) - 1; i >= 0; i-- {
		for k := i + 1; k < len(x); k++ {
			x[i] -= l[k][i] * x[k]
		}
		x[i] /= l[i][i]
	}
	return x
}

// SolveLower returns x of L x = b.
func (l Cholesky) SolveLower(b []float64) []float64 {
	x := make([]float64, len(b))
	l.solveLower(b, x)
	return x
}

func (l Cholesky) solveLower(b, x []float64) {
	for i, row := range l {
		v := b[i]
		for k, c := range row[:i] {
			v -= c * x[k]
		}
		x[i] = v / row[i]
	}
}

// logDeterminant returns the logarithm of the determinant of the matrix.
func (l Cholesky) logDeterminant() float64 {
	sum := 0.0
	for i, row := range l {
		sum += 2 * math.Log(row[i])
	}
	return sum
}

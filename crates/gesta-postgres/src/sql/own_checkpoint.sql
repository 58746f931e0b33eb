SELECT gesta.own_checkpoint($1, $2, $3, $4)

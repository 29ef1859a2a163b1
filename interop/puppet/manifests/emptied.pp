# What made.pp makes in the virtual host, taken away; whoever does it is still there.
$vhost = $facts['shop']
$login = { 'user' => $facts['clerk'], 'password' => $facts['clerk_password'] }

rabbitmq_policy { "lengths@${vhost}":
  ensure => absent,
}

rabbitmq_queue { "orders.eu@${vhost}":
  ensure => absent,
  *      => $login,
}

rabbitmq_exchange { "orders@${vhost}":
  ensure => absent,
  type   => 'topic',
  *      => $login,
}

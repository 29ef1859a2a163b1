# And the rest, with the permissions, which need both.
rabbitmq_user { $facts['clerk']:
  ensure => absent,
}
-> rabbitmq_vhost { $facts['shop']:
  ensure => absent,
}
